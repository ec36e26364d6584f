// A folder of src/ imports only itself and those before it; folders before `native` are pure; only `native` knows koffi.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const LAYERS = [
  'base',
  'linux',
  'kube',
  'admission',
  'security',
  'oci',
  'program',
  'pipeline.ts',
  'native',
  'image',
  'network',
  'runtime',
  'agent',
  'oci-cli',
  'library.ts',
  'index.ts',
  'cli',
];
const FIRST_IMPURE = LAYERS.indexOf('native');
const layerOf = path => LAYERS.indexOf(path.split('/')[0]);

let problems = 0;
const problem = text => {
  console.error(text);
  problems++;
};

for (const file of readdirSync('src', { recursive: true }).filter(name => name.endsWith('.ts'))) {
  const layer = layerOf(file);
  if (layer === -1) problem(`src/${file}: not in a known layer`);
  const text = readFileSync(join('src', file), 'utf8');
  const lines = text.split('\n').length;
  if (lines > 330 && !file.endsWith('.generated.ts')) problem(`src/${file}: ${lines} lines`);
  for (const [, target] of text.matchAll(/(?:from|import\() ?'([^']+)'/g)) {
    if (target.startsWith('.')) {
      const to = relative('src', join('src', dirname(file), target));
      if (layerOf(to) > layer) problem(`src/${file} imports ${to}, a later layer`);
      if (!target.endsWith('.ts')) problem(`src/${file}: "${target}" has no extension`);
    } else if (target.startsWith('node:') && layer < FIRST_IMPURE)
      problem(`src/${file} imports ${target}, but ${LAYERS[layer]} is pure`);
    else if (target === 'koffi' && !file.startsWith('native/')) problem(`src/${file} imports koffi`);
  }
}
if (problems > 0) process.exitCode = 1;
else console.log('layers: ok');
