import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { RUNTIME } from './oci.ts';

/** An image of the project's busybox, as `ctr images import` takes it; its command is what a sandbox runs. */
function archive(directory: string): string {
  const root = join(directory, 'store');
  const config = join(directory, 'image.json');
  writeFileSync(config, JSON.stringify({ Cmd: ['sleep', '3600'], Env: ['PATH=/bin:/sbin:/usr/bin'] }));
  const file = join(directory, 'busybox.tar');
  const podspace = (...args: string[]) =>
    execFileSync(process.execPath, [resolve('dist/podspace.js'), 'image', ...args, '--root', root]);
  podspace('import', 'docker.io/library/busybox', resolve('build/rootfs/busybox/rootfs'), '--config', config);
  podspace('export', 'docker.io/library/busybox', file);
  return file;
}

/** A containerd whose state, sockets and images are in a directory of its own. */
export class Containerd {
  readonly directory = mkdtempSync(join(tmpdir(), 'podspace-ctd-'));
  readonly socket = join(this.directory, 'socket');
  #daemon: ChildProcess | undefined;

  /** docs/kubernetes.md has the part of the runtimes. */
  #configure(): string {
    const at = (name: string): string => JSON.stringify(join(this.directory, name));
    const file = join(this.directory, 'config.toml');
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    writeFileSync(
      file,
      `version = 2
root = ${at('root')}
state = ${at('state')}
[grpc]
address = ${JSON.stringify(this.socket)}
[plugins."io.containerd.internal.v1.opt"]
path = ${at('opt')}
[${cri}]
sandbox_image = "docker.io/library/busybox:latest"
restrict_oom_score_adj = true
[${cri}.cni]
bin_dir = ${at('cni')}
conf_dir = ${at('cni')}
[${cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.podspace]
runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.podspace.options]
BinaryName = ${JSON.stringify(RUNTIME)}
`,
    );
    return file;
  }

  async start(): Promise<void> {
    const log = openSync(join(this.directory, 'log'), 'a');
    this.#daemon = spawn('containerd', ['--config', this.#configure()], { stdio: ['ignore', log, log] });
    for (let i = 0; i < 200 && this.ctr('version').status !== 0; i++)
      await new Promise(done => setTimeout(done, 50));
  }

  /** Both for `ctr` and for pods. */
  importImage(): void {
    const file = archive(this.directory);
    for (const namespace of ['default', 'k8s.io']) {
      const { status, stderr } = this.ctr('--namespace', namespace, 'images', 'import', file);
      if (status !== 0) throw new Error(stderr);
    }
  }

  ctr(...args: readonly string[]) {
    return spawnSync('ctr', ['--address', this.socket, ...args], { encoding: 'utf8', timeout: 30_000 });
  }

  /** A container of the image; `options` come before its name. */
  run(id: string, options: readonly string[], ...command: readonly string[]) {
    const all = ['--runc-binary', RUNTIME, ...options, 'docker.io/library/busybox:latest', id, ...command];
    return this.ctr('run', ...all);
  }

  /** Ends it as a machine's failure would, or in peace; its shims go on. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined || daemon.exitCode !== null) return;
    const ended = new Promise(done => daemon.once('exit', done));
    daemon.kill(signal);
    await ended;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
    for (const name of readdirSync('/sys/fs/cgroup'))
      for (const parent of ['default', 'k8s.io'])
        try {
          rmdirSync(join('/sys/fs/cgroup', name, parent));
        } catch {
          // not in this hierarchy
        }
  }
}

export const hasContainerd: boolean = ['containerd', 'ctr', 'containerd-shim-runc-v2'].every(name =>
  existsSync(`/usr/bin/${name}`),
);
