/** (i) Images: from a registry on the loopback to unpacked layers, beside what else does that; prints its part of docs/benchmarks.md. */
import { type ExecFileSyncOptions, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ImageStore } from '../../src/image/store.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { type LayeredImage, makeLayeredImage, startRegistry } from './layered-image.ts';
import { median, row, table } from './report.ts';

const PODSPACE = [process.execPath, resolve('dist/podspace.js')];
const MB = 1e6;
const LAYERS = 10;
/** Bytes before gzip: some 100 MB as a registry has them, and 1 GB that are not made smaller, or making them takes a minute. */
const IMAGES = [
  { bytes: 260 * MB, level: 1 },
  { bytes: 1000 * MB, level: 0 },
];
const PULLS = process.env.PULLS ?? '5';
const STARTS = Number(process.env.STARTS ?? 30);

const directory = mkdtempSync(join(tmpdir(), 'podspace-bench-'));
const at = (name: string): string => join(directory, name);
const quiet: ExecFileSyncOptions = { stdio: ['ignore', 'ignore', 'inherit'] };

/** The whole of it, a fresh store each time. */
function pulls(reference: string): string {
  const podman = `podman --root ${at('podman')} --runroot ${at('podman-run')} --storage-driver overlay`;
  const subjects: readonly (readonly [name: string, command: string])[] = [
    ['`podspace image pull`', `${PODSPACE.join(' ')} --root ${at('own')} image pull ${reference}`],
    [
      '`skopeo copy`, `umoci unpack`',
      `sh -c "skopeo copy -q --src-tls-verify=false docker://${reference} oci:${at('layout')}:v1 && umoci unpack --image ${at('layout')}:v1 ${at('bundle')}"`,
    ],
    ['`podman pull`', `${podman} pull -q --tls-verify=false ${reference}`],
  ];
  const clear = `sh -c "umount -l ${at('podman/overlay')} 2>/dev/null; rm -rf ${['own', 'layout', 'bundle', 'podman', 'podman-run'].map(at).join(' ')}; sync"`;
  const file = at('hyperfine.json');
  const args = ['-N', '--style=none', '--warmup=1', `--runs=${PULLS}`, `--prepare=${clear}`];
  execFileSync('hyperfine', [...args, `--export-json=${file}`, ...subjects.map(each => each[1])], quiet);
  spawnSync('sh', ['-c', clear]);
  const { results } = JSON.parse(readFileSync(file, 'utf8')) as { results: Measured[] };
  const base = median(results[0]?.times ?? []);
  const rows = subjects.map(([name], i) => {
    const { times = [], user = 0, system = 0 } = results[i] ?? {};
    const cells = [median(times), Math.min(...times), user + system, median(times) / base];
    return `| ${name} | ${cells.map(cell => cell.toFixed(2)).join(' | ')} |`;
  });
  return [
    '### (i) an image of 10 layers, pulled and unpacked',
    '',
    '| | median s | fastest s | s of processor | × `podspace` |',
    '|---|---:|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n');
}

/** As hyperfine writes it, in seconds. */
interface Measured {
  readonly times: readonly number[];
  readonly user: number;
  readonly system: number;
}

const megabytes = (bytes: number): string => (bytes / MB).toFixed(0);

function memory(reference: string, { compressed, unpacked, files }: LayeredImage): string {
  const root = at('memory');
  const measured = spawnSync(
    '/usr/bin/time',
    ['-f', '%M', ...PODSPACE, '--root', root, 'image', 'pull', reference],
    { encoding: 'utf8' },
  );
  if (measured.status !== 0) throw new Error(measured.stderr);
  rmSync(root, { recursive: true });
  const peak = Number(measured.stderr.trim()) * 1024;
  return `| ${megabytes(compressed)} | ${megabytes(unpacked)} | ${files} | ${megabytes(peak)} |`;
}

/** Pods of the same files, with an image and with an imported directory, in turns. */
function starts(reference: string, busybox: string): string {
  const root = at('starts');
  const podspace = (...args: string[]): void =>
    void execFileSync(PODSPACE[0] ?? '', [...PODSPACE.slice(1), '--root', root, ...args], quiet);
  podspace('image', 'pull', reference);
  const store = new ImageStore(root);
  const image = store.get(reference);
  if (image === undefined) throw new Error('it is not there');
  const merged = at('merged');
  mkdirSync(merged);
  for (const layer of [...store.layers(image)].reverse())
    execFileSync('cp', ['-a', `${join(root, layer)}/.`, merged]);
  writeFileSync(at('config.json'), '{"Cmd":["/bin/true"]}');
  podspace('image', 'import', 'localhost/directory', merged, '--config', at('config.json'));
  podspace('image', 'import', 'localhost/small', busybox, '--config', at('config.json'));
  rmSync(merged, { recursive: true });
  const subjects = [
    ['an imported directory', 'localhost/directory'],
    ['an imported directory of busybox alone', 'localhost/small'],
    ['the image of 10 layers', reference],
  ] as const;
  const files = subjects.map(([, name], i) => {
    const containers = [{ name: 'main', image: name, imagePullPolicy: 'IfNotPresent' }];
    const file = at(`pod-${i}.json`);
    const metadata = { name: `bench-${i}` };
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } }));
    return file;
  });
  const times = subjects.map(() => [] as number[]);
  for (let i = -2; i < STARTS; i++)
    for (const [j, file] of files.entries()) {
      const start = process.hrtime.bigint();
      podspace('run', '--network=none', file);
      if (i >= 0) times[j]?.push(Number(process.hrtime.bigint() - start) / 1000);
    }
  rmSync(root, { recursive: true });
  const base = median(times[0] ?? []);
  const rows = subjects.map(([name], i) => row(name, times[i] ?? [], base));
  return table('(i) `podspace run` of a `true` pod, the second time', 'the directory', rows);
}

async function main(): Promise<void> {
  const own = new ImageStore(DEFAULT_ROOTS.state);
  const image = own.get('localhost/busybox');
  if (image === undefined) throw new Error('no busybox image');
  const busybox = at('busybox');
  cpSync(join(DEFAULT_ROOTS.state, own.layers(image)[0] ?? ''), busybox, {
    recursive: true,
    verbatimSymlinks: true,
  });
  const registry = await startRegistry(directory);
  try {
    const made: (readonly [reference: string, image: LayeredImage])[] = [];
    for (const [i, { bytes, level }] of IMAGES.entries()) {
      const layout = at(`image-${i}`);
      const layered = await makeLayeredImage(layout, LAYERS, bytes / LAYERS, busybox, level);
      const reference = `${registry.host}/bench/image-${i}:v1`;
      const copy = ['copy', '-q', '--dest-tls-verify=false', `oci:${layout}:v1`, `docker://${reference}`];
      execFileSync('skopeo', copy, quiet);
      rmSync(layout, { recursive: true });
      made.push([reference, layered]);
    }
    const [[first, { compressed, unpacked }] = ['', { compressed: 0, unpacked: 0 }]] = made;
    process.stdout.write(`${pulls(first)}\n`);
    process.stdout.write(
      `${megabytes(compressed)} MB, ${megabytes(unpacked)} MB unpacked, from Debian’s docker-registry on the loopback.\n\n`,
    );
    process.stdout.write('### (i) memory while an image is pulled and unpacked\n\n');
    process.stdout.write(
      '| MB of 10 layers | MB unpacked | files | MB of memory at most |\n|---:|---:|---:|---:|\n',
    );
    for (const [reference, layered] of made) process.stdout.write(`${memory(reference, layered)}\n`);
    process.stdout.write(`\n${starts(first, busybox)}`);
  } finally {
    await registry.stop();
  }
}

try {
  await main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
