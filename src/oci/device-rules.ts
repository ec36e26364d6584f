import type { OciDeviceRule } from './config.ts';

/**
 * What an unprivileged container may open, runc's AllowedDevices: it may make any node, but use only the default ones,
 * terminals and /dev/net/tun.
 */
const DEVICE_RULES: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...(
    [
      [1, 3],
      [1, 8],
      [1, 7],
      [5, 0],
      [1, 5],
      [1, 9],
      [136, undefined],
      [5, 2],
      [10, 200],
    ] as const
  ).map(([major, minor]) => ({
    allow: true,
    type: 'c' as const,
    major,
    ...(minor === undefined ? {} : { minor }),
    access: 'rwm',
  })),
];

/** The `linux.resources.devices` of a container. */
export function deviceRules(privileged: boolean): readonly OciDeviceRule[] {
  return privileged ? [{ allow: true, access: 'rwm' }] : DEVICE_RULES;
}

/** A rule in the words of the v1 list, `c 1:3 rwm`: how it is printed, and what is written to devices.allow. */
export function formatDeviceRule({ type = 'a', major, minor, access = 'rwm' }: OciDeviceRule): string {
  return `${type} ${major ?? '*'}:${minor ?? '*'} ${access}`;
}
