/**
 * What `procMount: Default` masks (kubelet and containerd, Kubernetes 1.36), and what each is to the kernel: a directory is
 * covered by an empty tmpfs, a file by /dev/null.
 */
export const MASKED_PATHS = {
  '/proc/asound': 'directory',
  '/proc/acpi': 'directory',
  '/proc/interrupts': 'file',
  '/proc/kcore': 'file',
  '/proc/keys': 'file',
  '/proc/latency_stats': 'file',
  '/proc/timer_list': 'file',
  '/proc/timer_stats': 'file',
  '/proc/sched_debug': 'file',
  '/proc/scsi': 'directory',
  '/sys/firmware': 'directory',
  '/sys/devices/virtual/powercap': 'directory',
} as const satisfies Readonly<Record<string, 'directory' | 'file'>>;

/** Where a CPU tells of its heat; one such directory for each CPU (GHSA-6fw5-f8r9-fgfm). */
export function thermalThrottlePath(cpu: number): string {
  return `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`;
}

/** What `procMount: Default` makes read-only. */
export const READONLY_PATHS = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
] as const;
