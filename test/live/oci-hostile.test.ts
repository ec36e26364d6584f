import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needsRoot } from './harness.ts';
import { Place } from './oci.ts';

/** A root file system that leads out of itself wherever a runtime may follow. */
t.test('podspace-runtime: hostile bundles', { skip: needsRoot }, async t => {
  const place = new Place();
  t.teardown(() => place.remove());
  const outside = join(place.directory, 'outside');
  mkdirSync(outside);
  const lead = (bundle: string, name: string, to: string): void => {
    rmSync(join(bundle, 'rootfs', name), { recursive: true, force: true });
    symlinkSync(to, join(bundle, 'rootfs', name));
  };
  const made = (): readonly string[] => readdirSync(outside);

  t.test('mount points that are links out of the root', async t => {
    for (const to of [outside, `../../../../../../../..${outside}`, '/proc/1/root']) {
      const bundle = place.bundle('echo in > /m/file; cat /m/file; ls -d /dev/null', config => {
        config.mounts.push({ destination: '/m/inner', type: 'tmpfs', source: 't', options: [] });
        config.mounts.push({ destination: '/m', type: 'tmpfs', source: 't', options: [] });
        config.root.readonly = false;
      });
      lead(bundle, 'm', to);
      const ran = place.call('run', '--bundle', bundle, 'm1');
      t.same(made(), [], `${to}: nothing was made outside`);
      t.same(place.leftovers('m1'), [], to);
      if (ran.status === 0) t.equal(ran.stdout, 'in\n/dev/null\n', to);
    }
  });

  t.test('/dev, /proc and /sys that are links', async t => {
    for (const name of ['dev', 'proc', 'sys', 'etc']) {
      const bundle = place.bundle('true', config => {
        config.linux.maskedPaths = ['/etc/shadow', '/proc/keys', '/sys/firmware'];
      });
      lead(bundle, name, outside);
      const ran = place.call('run', '--bundle', bundle, 'd1');
      if (name === 'proc' || name === 'sys') t.match(ran.stderr, /ELOOP/, `${name} is not followed`);
      t.same(made(), [], `${name}: nothing was made outside`);
      t.same(place.leftovers('d1'), [], name);
    }
  });

  t.test('tmpcopyup of a link, and of what is no file', async t => {
    const bundle = place.bundle('ls -l /c; ls /c/deep', config => {
      config.mounts.push({ destination: '/c', type: 'tmpfs', source: 't', options: ['tmpcopyup'] });
    });
    const directory = join(bundle, 'rootfs/c');
    mkdirSync(join(directory, 'deep'), { recursive: true });
    symlinkSync('/etc/shadow', join(directory, 'link'));
    writeFileSync(join(directory, 'deep/file'), 'x');
    const ran = place.call('run', '--bundle', bundle, 'u1');
    t.match(ran.stdout, /link -> \/etc\/shadow[\s\S]*^file$/m);
    lead(bundle, 'c', outside);
    writeFileSync(join(outside, 'secret'), 'x');
    t.notMatch(place.call('run', '--bundle', bundle, 'u2').stdout, /secret/);
    rmSync(join(outside, 'secret'));
  });

  t.test('a working directory that is an fd of the host', async t => {
    for (const cwd of ['/proc/self/fd/3', '/proc/self/fd/7', '/proc/self/cwd']) {
      const bundle = place.bundle('pwd', config => {
        config.process.cwd = cwd;
      });
      const ran = place.call('run', '--bundle', bundle, 'w1');
      t.notMatch(ran.stdout, /podspace-oci|unreachable/, cwd);
      t.same(place.leftovers('w1'), [], cwd);
    }
  });

  t.test('the payload has no file of ours, and its executable is not ours', async t => {
    const bundle = place.bundle('ls -l /proc/self/fd /proc/1/exe', config => {
      config.linux.cgroupsPath = 'relative-oci-test/x';
    });
    const ran = place.call('run', '--bundle', bundle, 'x1');
    t.notMatch(ran.stdout, /podspace|memfd|node/);
    t.notOk(existsSync('/sys/fs/cgroup/unified/relative-oci-test'), 'also the cgroup above is gone');
    const busy = place.bundle('true', config => {
      config.linux.cgroupsPath = '/';
    });
    t.match(place.call('run', '--bundle', busy, 'x2').stderr, /cgroupsPath/);
  });

  t.test('garbage', async t => {
    const bundle = place.bundle('true');
    for (const text of [
      '',
      '{',
      '[]',
      'null',
      '{"ociVersion":1}',
      `{"a":${'['.repeat(5000)}`,
      ' '.repeat(17 << 20),
    ]) {
      writeFileSync(join(bundle, 'config.json'), text);
      const ran = place.call('create', '--bundle', bundle, 'g1');
      t.equal(ran.status, 1);
      t.equal(ran.stderr.trim().split('\n').length, 1, ran.stderr.slice(0, 200));
    }
    t.same(place.leftovers('g1'), []);
    t.ok(readlinkSync('/proc/self/exe'));
  });
});
