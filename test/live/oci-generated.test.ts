import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { needsRoot, type Report } from './harness.ts';
import { RUNTIME } from './oci.ts';
import { MAPPED, ociConfig } from './oci-arbitrary.ts';
import { isExplained } from './oci-explained.ts';
import { differences, type Normal, normalise } from './oracle.ts';
import { isExpected } from './oracle-expected.ts';

const COUNT = 100;
const AT_ONCE = 4;
const seed = Number(process.env.PODSPACE_SEED ?? 8);
const PEERS = { crun: ['crun'], runc: ['runc'] } as const;
type Peer = keyof typeof PEERS;
const peers = (Object.keys(PEERS) as Peer[]).filter(
  name => existsSync(`/usr/bin/${name}`) || existsSync(`/usr/sbin/${name}`),
);
const skip = needsRoot || (peers.length > 0 ? false : 'neither crun nor runc is installed');
const PARENT = 'podspace-generated';

/** A view of the machine with cgroup v2 alone, which crun needs, and devices of its own, which crun gives to the user. */
const VIEW = `mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /dev && while read -r name numbers; do
  mknod -m 666 "/dev/$name" c $numbers
done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
exec "$@"`;

t.test(
  `${COUNT} generated configs: a probe sees what it sees under crun or runc (seed ${seed})`,
  { skip },
  async t => {
    const directory = mkdtempSync(join(tmpdir(), 'podspace-generated-'));
    // runc goes there as the user of a namespace.
    chmodSync(directory, 0o755);
    t.teardown(() => {
      rmSync(directory, { recursive: true, force: true });
      for (const name of ['.', ...readdirSync('/sys/fs/cgroup')])
        try {
          const parent = join('/sys/fs/cgroup', name, PARENT);
          // What a runtime has left of one of them.
          for (const entry of readdirSync(parent, { withFileTypes: true }))
            if (entry.isDirectory()) rmdirSync(join(parent, entry.name));
          rmdirSync(parent);
        } catch {
          // not in this hierarchy
        }
    });
    const configs = fc.sample(ociConfig, { numRuns: COUNT, seed });
    const wrong: string[] = [];
    const refused: string[] = [];
    const next = configs.entries();
    const work = async (): Promise<void> => {
      for (const [i, config] of next) {
        const bundle = join(directory, String(i));
        mkdirSync(join(bundle, 'volume'), { recursive: true });
        cpSync(resolve('build/rootfs/probe/rootfs'), join(bundle, 'rootfs'), { recursive: true });
        // crun gives the machine's /dev/null to the user of such a container.
        const hasUsers = config.linux.namespaces.some(({ type }) => type === 'user');
        if (hasUsers) give(bundle);
        const under = (runtime: readonly string[]) => report(runtime, bundle, config, `${PARENT}/${i}`);
        const mine = await under([RUNTIME]);
        if (typeof mine === 'string') refused.push(mine);
        // What one of them has as podspace has it needs no explanation.
        let left: readonly Found[] | undefined;
        for (const peer of peers.filter(name => name !== 'crun' || !hasUsers)) {
          if (left?.length === 0) break;
          const found = unexplained(peer, mine, await under(PEERS[peer]));
          left = left?.filter(({ path }) => found.some(one => one.path === path)) ?? found;
        }
        wrong.push(...(left ?? []).map(({ text }) => `config ${i}: ${text}`));
        rmSync(bundle, { recursive: true, force: true });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    t.same(wrong.slice(0, 20), []);
    t.ok(refused.length < COUNT / 10, refused.join('\n'));
  },
);

/** In a user namespace the root is of its user 0. */
function give(directory: string): void {
  for (const entry of ['.', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })])
    lchownSync(join(directory, entry), MAPPED, MAPPED);
}

type Seen = Normal | string;
interface Found {
  readonly path: string;
  readonly text: string;
}

function unexplained(peer: Peer, mine: Seen, theirs: Seen): readonly Found[] {
  if (typeof mine === 'string' || typeof theirs === 'string') {
    const difference = { path: 'whether it runs', mine: outcome(mine), theirs: outcome(theirs) };
    if (typeof mine === typeof theirs || isExplained(peer, difference)) return [];
    return [{ path: difference.path, text: `podspace: ${difference.mine}, ${peer}: ${difference.theirs}` }];
  }
  return differences(mine, theirs)
    .filter(difference => !isExpected(peer, difference) && !isExplained(peer, difference))
    .map(({ path, mine: here, theirs: there }) => ({
      path,
      text: `${path}: podspace ${here ?? '(absent)'}, ${peer} ${there ?? '(absent)'}`,
    }));
}

const outcome = (seen: Seen): string => (typeof seen === 'string' ? `no: ${seen}` : 'yes');

/** What the probe reports; or the error of who does not run it. */
function report(
  runtime: readonly string[],
  bundle: string,
  config: object,
  cgroupsPath: string,
): Promise<Seen> {
  const named = {
    ...config,
    linux: { ...(config as { linux: object }).linux, cgroupsPath: `/${cgroupsPath}` },
  };
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(named));
  const root = join(bundle, 'state');
  const id = `generated-${process.pid}-${cgroupsPath.split('/').at(-1)}`;
  const command = [...runtime, '--root', root, 'run', '--bundle', bundle, id];
  const child = spawn('unshare', ['-m', 'sh', '-c', VIEW, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { out: '', err: '' };
  child.stdout.on('data', chunk => {
    output.out += chunk;
  });
  child.stderr.on('data', chunk => {
    output.err += chunk;
  });
  return new Promise(done =>
    child.on('close', () => {
      const isReport = output.out.startsWith('{');
      done(
        isReport ? normalise(JSON.parse(output.out) as Report) : (output.err.trim().split('\n').at(-1) ?? ''),
      );
    }),
  );
}
