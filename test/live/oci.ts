import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const RUNTIME = resolve('dist/podspace-runtime');
const IMAGE = resolve('build/rootfs/busybox/rootfs');
/** What a driver gives its runtime: hardly anything. */
const ENVIRONMENT = { XDG_RUNTIME_DIR: '/run/user/0' };

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Of a config what tests change. */
export interface Config {
  process: { args: string[]; terminal?: boolean; user?: object; env?: string[] } & Record<string, unknown>;
  root: { readonly?: boolean };
  mounts: { destination: string; type: string; source: string; options: string[] }[];
  linux: { cgroupsPath?: string; maskedPaths?: string[]; namespaces: object[] } & Record<string, unknown>;
  hooks?: Record<string, object[]>;
}

/** A directory for bundles, with a state of its own; nothing of it is left afterwards. */
export class Place {
  readonly directory = mkdtempSync(join(tmpdir(), 'podspace-oci-'));
  readonly root = join(this.directory, 'state');
  #serial = 0;

  call(...args: readonly string[]): Ran {
    return this.callWith({}, ...args);
  }

  callWith(options: object, ...args: readonly string[]): Ran {
    const ran = spawnSync(RUNTIME, ['--root', this.root, ...args], {
      encoding: 'utf8',
      timeout: 20_000,
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    return { status: ran.status, stdout: ran.stdout ?? '', stderr: ran.stderr ?? '' };
  }

  /** A container that keeps its streams: nobody may wait for their end. */
  create(bundle: string, id: string, ...options: readonly string[]): Ran {
    const log = join(this.directory, `log-${this.#serial++}`);
    const global = ['--log', log, '--log-format', 'json'];
    const { status } = this.callWith(
      { stdio: 'ignore' },
      ...global,
      'create',
      '--bundle',
      bundle,
      ...options,
      id,
    );
    return { status, stdout: '', stderr: existsSync(log) ? readFileSync(log, 'utf8') : '' };
  }

  start(...args: readonly string[]) {
    return spawn(RUNTIME, ['--root', this.root, ...args], { stdio: 'ignore', env: ENVIRONMENT });
  }

  bundle(script: string, change: (config: Config) => void = () => {}): string {
    const bundle = join(this.directory, `bundle-${this.#serial++}`);
    mkdirSync(bundle);
    cpSync(IMAGE, join(bundle, 'rootfs'), { recursive: true, verbatimSymlinks: true });
    this.call('spec', '--bundle', bundle);
    const file = join(bundle, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as Config;
    config.process.args = ['sh', '-c', script];
    change(config);
    writeFileSync(file, JSON.stringify(config));
    return bundle;
  }

  status(id: string): string {
    const { stdout, stderr } = this.call('state', id);
    return stdout === '' ? stderr.trim() : (JSON.parse(stdout) as { status: string }).status;
  }

  async waitFor(id: string, status: string): Promise<string> {
    for (let i = 0; i < 100 && this.status(id) !== status; i++)
      await new Promise(done => setTimeout(done, 20));
    return this.status(id);
  }

  /** What is left of containers: state and cgroups. */
  leftovers(id: string): readonly string[] {
    const states = existsSync(this.root) ? readdirSync(this.root).filter(name => name === id) : [];
    const cgroups = [
      '/sys/fs/cgroup',
      ...readdirSync('/sys/fs/cgroup').map(name => join('/sys/fs/cgroup', name)),
    ];
    return [...states, ...cgroups.map(path => join(path, id)).filter(path => existsSync(path))];
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
