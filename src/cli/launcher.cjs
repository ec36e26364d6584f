#!/usr/bin/env node
// Runs the bundle through a code cache of our own: module.enableCompileCache does not exist on Node 20 and gains less.
// V8 itself rejects a cache of another version or other flags; the file's name tells bundles and Nodes apart. A cache is
// code that root runs: one that anybody else could have written is not used.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

// `podspace oci …` is podspace-runtime, which is the same file under another name.
const isAsked = path.basename(__filename) === 'podspace.js' && process.argv[2] === 'oci';
if (isAsked) process.argv.splice(2, 1);
const isRuntime = isAsked || path.basename(__filename) === 'podspace-runtime.js';
const file = path.join(__dirname, isRuntime ? 'podspace-runtime-main.cjs' : 'podspace-main.cjs');
// A cache holds the functions that ran before it was made, so each command has one of its own. A runtime's command comes
// after its global options.
const RUNTIME_COMMAND = /^(create|run|start|state|kill|delete|exec)$/;
const runtimeCommand = () =>
  `runtime-${process.argv.slice(2).find(word => RUNTIME_COMMAND.test(word)) ?? 'other'}`;
const word = isRuntime ? runtimeCommand() : (process.argv[2] ?? '');
const command = /^[a-z]+(-[a-z]+)*$/.test(word) ? word : 'podspace';
const cacheFile = path.join(__dirname, `.cache-${process.version}-${process.arch}-${command}`);

function readCache(stamp) {
  try {
    const fd = fs.openSync(cacheFile, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      const stat = fs.fstatSync(fd);
      if (!stat.isFile() || stat.uid !== 0 || (stat.mode & 0o022) !== 0) return undefined;
      const bytes = fs.readFileSync(fd);
      return bytes.readDoubleLE(0) === stamp ? bytes.subarray(8) : undefined;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

function writeCache(script, stamp) {
  if (process.geteuid() !== 0) return;
  const temporary = `${cacheFile}.${process.pid}`;
  try {
    const head = Buffer.alloc(8);
    head.writeDoubleLE(stamp);
    fs.writeFileSync(temporary, Buffer.concat([head, script.createCachedData()]), {
      mode: 0o600,
      flag: 'wx',
    });
    fs.renameSync(temporary, cacheFile);
  } catch {
    fs.rmSync(temporary, { force: true }); // a read-only installation works without
  }
}

// The bundle is ASCII, and latin1 needs no decoding; the build has wrapped it as Node wraps a CommonJS module.
const source = fs.readFileSync(file, 'latin1');
const stat = fs.statSync(file);
const stamp = stat.mtimeMs + stat.size;
const cachedData = readCache(stamp);
const script = new vm.Script(source, { filename: file, cachedData });
const bundle = { exports: {} };
script.runInThisContext()(bundle.exports, require, bundle, file, __dirname);
bundle.exports.done.then(code => {
  if (cachedData === undefined || script.cachedDataRejected) writeCache(script, stamp);
  process.exit(code);
});
