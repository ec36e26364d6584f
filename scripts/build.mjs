// Builds dist/: the command (one CJS file and a launcher), the library (CJS, whose names import() and import see too; with declarations), and the C parts.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const STAMP = 'dist/.built';

function newestSource(directory) {
  return Math.max(
    ...readdirSync(directory, { recursive: true }).map(name => statSync(join(directory, name)).mtimeMs),
  );
}

function isFresh() {
  const built = statSync(STAMP, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return (
    built >
    Math.max(
      newestSource('src'),
      ...['package-lock.json', 'scripts/build.mjs', 'tsconfig.json'].map(
        file => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0,
      ),
    )
  );
}

/** Dynamic imports that become files of their own: what hardly any command needs should not be read by all. */
const SEPARATE = {
  './help.ts': './podspace-help.cjs',
  './audit-report.ts': './podspace-audit-report.cjs',
  './serve-dns.ts': './podspace-dns.cjs',
  './admission.ts': './podspace-admission.cjs',
  './validate-report.ts': './podspace-validate.cjs',
  './object-commands.ts': './podspace-objects.cjs',
  './agent-commands.ts': './podspace-agent-commands.cjs',
  './verify.ts': './podspace-verify.cjs',
  './net.ts': './podspace-net.cjs',
  './image.ts': './podspace-image.cjs',
  './cp.ts': './podspace-cp.cjs',
  './diff.ts': './podspace-diff.cjs',
  './volume-updates.ts': './podspace-volume-updates.cjs',
  './image-volumes.ts': './podspace-image-volumes.cjs',
  './pull-for-pod.ts': './podspace-pull.cjs',
  '../runtime/authorize.ts': './podspace-authorize.cjs',
};
const separate = files => ({
  name: 'separate',
  setup: ({ onResolve }) =>
    onResolve({ filter: /\.ts$/ }, ({ path, kind }) =>
      path in files && kind === 'dynamic-import' ? { path: files[path], external: true } : undefined,
    ),
});
/** The same for those files themselves. */
const RARE = { './proxy.ts': './podspace-proxy.cjs', '../../agent/main.ts': './podspace-agent.cjs' };

execFileSync(process.execPath, ['scripts/build-native.mjs'], { stdio: 'inherit' });
if (!isFresh()) {
  mkdirSync('dist', { recursive: true });
  for (const name of readdirSync('dist'))
    if (name !== 'native') rmSync(join('dist', name), { recursive: true });
  const common = {
    bundle: true,
    platform: 'node',
    target: 'node20',
    // koffi brings native code of its own; everything else is bundled, so that starting is reading one file.
    external: ['koffi', '@koromix/*'],
    // 60 % of yargs' start cost is string-width.
    alias: { 'string-width': 'fast-string-width' },
    logLevel: 'warning',
    minifySyntax: true,
    // A file that esbuild leaves alone is required, not imported: vm.Script has no import().
    supported: { 'dynamic-import': false },
    // Names stay, so that a stack trace can be read; white space is only bytes to parse.
    minifyWhitespace: true,
    charset: 'ascii',
  };
  // yargs-parser makes a require() of this, which nobody calls.
  const cjs = { ...common, format: 'cjs', define: { 'import.meta.url': '"file:///"' } };
  await Promise.all([
    build({
      ...cjs,
      entryPoints: ['src/cli/entry.ts'],
      outfile: 'dist/podspace-main.cjs',
      plugins: [separate(SEPARATE)],
      // The launcher compiles the file itself, and a copy of its text only to wrap it costs half a millisecond.
      banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
      footer: { js: '})' },
    }),
    build({
      ...cjs,
      // One file, whose modules run when they are asked for: the code cache is of a whole file.
      entryPoints: ['src/oci-cli/entry.ts'],
      outfile: 'dist/podspace-runtime-main.cjs',
      banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
      footer: { js: '})' },
    }),
    build({
      ...cjs,
      entryPoints: ['src/cli/help.ts'],
      outfile: 'dist/podspace-help.cjs',
      // yargs asks for its url.
      define: { 'import.meta.url': 'IMPORT_META_URL' },
      banner: { js: "const IMPORT_META_URL = require('node:url').pathToFileURL(__filename).href;" },
    }),
    ...[
      ['src/runtime/admission.ts', 'dist/podspace-admission.cjs'],
      ['src/cli/audit-report.ts', 'dist/podspace-audit-report.cjs'],
      ['src/cli/validate-report.ts', 'dist/podspace-validate.cjs'],
      ['src/cli/object-commands.ts', 'dist/podspace-objects.cjs'],
      ['src/cli/agent-commands.ts', 'dist/podspace-agent-commands.cjs'],
      ['src/agent/main.ts', 'dist/podspace-agent.cjs'],
      ['src/cli/verify.ts', 'dist/podspace-verify.cjs'],
      ['src/cli/net.ts', 'dist/podspace-net.cjs'],
      ['src/cli/image.ts', 'dist/podspace-image.cjs'],
      ['src/cli/cp.ts', 'dist/podspace-cp.cjs'],
      ['src/cli/diff.ts', 'dist/podspace-diff.cjs'],
      ['src/runtime/volume-updates.ts', 'dist/podspace-volume-updates.cjs'],
      ['src/runtime/image-volumes.ts', 'dist/podspace-image-volumes.cjs'],
      ['src/runtime/pull-for-pod.ts', 'dist/podspace-pull.cjs'],
      ['src/image/registry/proxy.ts', 'dist/podspace-proxy.cjs'],
      ['src/runtime/authorize.ts', 'dist/podspace-authorize.cjs'],
      ['src/network/dns/serve-dns.ts', 'dist/podspace-dns.cjs'],
      ['src/runtime/audit/thread.ts', 'dist/podspace-audit.cjs'],
    ].map(([entry, outfile]) => build({ ...cjs, entryPoints: [entry], outfile, plugins: [separate(RARE)] })),
    build({ ...cjs, entryPoints: ['src/index.ts'], outfile: 'dist/index.cjs' }),
  ]);
  copyFileSync('src/cli/launcher.cjs', 'dist/podspace.js');
  copyFileSync('src/cli/launcher.cjs', 'dist/podspace-runtime.js');
  copyFileSync('src/oci-cli/podspace-runtime.sh', 'dist/podspace-runtime');
  for (const name of ['podspace.js', 'podspace-runtime.js', 'podspace-runtime'])
    chmodSync(`dist/${name}`, 0o755);
  execFileSync(
    'npx',
    [
      'tsc',
      '--noEmit',
      'false',
      '--emitDeclarationOnly',
      '--declaration',
      '--outDir',
      'dist/types',
      '--rootDir',
      'src',
      '-p',
      'tsconfig.build.json',
    ],
    { stdio: 'inherit' },
  );
  writeFileSync(STAMP, '');
}
