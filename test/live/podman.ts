import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const hasPodman = ['podman', 'conmon'].every(name => existsSync(`/usr/bin/${name}`));

const CONFIGURATION = `[engine]
runtime_supports_json = ["podspace-runtime"]
infra_image = "localhost/pause"
[containers]
# CAP_SYS_RESOURCE may be missing, without which podman's own limits cannot be set.
default_ulimits = ["nofile=1000:1000", "nproc=500:500"]
`;

/** Debian's podman with a store, sockets and state of its own, and two images: busybox, and pause for pods. */
export class Podman {
  readonly directory = mkdtempSync(join(tmpdir(), 'podspace-podman-'));
  readonly #runtime: string;

  constructor(runtime: string) {
    this.#runtime = runtime;
    for (const name of ['tmp', 'xdg', 'root', 'run']) mkdirSync(join(this.directory, name));
    writeFileSync(join(this.directory, 'containers.conf'), CONFIGURATION);
    const archive = join(this.directory, 'busybox.tar');
    spawnSync('tar', ['-C', resolve('build/rootfs/busybox/rootfs'), '-cf', archive, '.']);
    for (const args of [
      ['--change', 'ENV PATH=/bin', archive, 'busybox'],
      ['--change', `CMD ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"]`, archive, 'pause'],
    ]) {
      const { status, err } = this.call('import', ...args);
      if (status !== 0) throw new Error(err);
    }
  }

  call(...args: readonly string[]) {
    const at = (name: string): string => join(this.directory, name);
    const ran = spawnSync(
      'podman',
      [
        ...['--root', at('root'), '--runroot', at('run'), '--tmpdir', at('tmp'), '--storage-driver', 'vfs'],
        ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', this.#runtime, ...args],
      ],
      {
        env: {
          PATH: process.env.PATH,
          CONTAINERS_CONF: at('containers.conf'),
          XDG_RUNTIME_DIR: at('xdg'),
          TMPDIR: at('tmp'),
          HOME: this.directory,
        },
        encoding: 'utf8',
        timeout: 600_000,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    return { status: ran.status, out: ran.stdout, err: ran.stderr };
  }

  /** With all containers and images, and podman's own cgroups, which it leaves. */
  remove(): void {
    this.call('pod', 'rm', '--force', '--all', '--time', '0');
    this.call('rm', '--force', '--all', '--time', '0');
    this.call('rmi', '--all', '--force');
    rmSync(this.directory, { recursive: true, force: true });
    for (const name of readdirSync('/sys/fs/cgroup'))
      removeEmptyCgroups(join('/sys/fs/cgroup', name, 'libpod_parent'));
  }
}

function removeEmptyCgroups(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmptyCgroups(join(path, entry.name));
  try {
    rmdirSync(path);
  } catch {
    // somebody else's, with processes
  }
}
