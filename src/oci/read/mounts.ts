import { MOUNT_OPTIONS, parseMountOptions } from '../../linux/mount-options.ts';
import type { OciMount } from '../config.ts';
import type { Fields } from './json.ts';

/** runc's list of what may be mounted below /proc (lxcfs): anything else could hide what is masked there. */
const IN_PROC =
  /^\/proc\/(cpuinfo|diskstats|meminfo|stat|swaps|uptime|loadavg|slabinfo|sys\/kernel\/ns_last_pid|sys\/crypto\/fips_enabled)$/;

/** Words of mount(8) that fsconfig(2) does not know, or that mean an extension which podspace does not have. */
const REFUSED = ['remount', 'ridmap', 'loud', 'move'];

/** A mount of the config; `mapsUsers`: the container has a user namespace that files can be id-mapped to. */
export function readMount(fields: Fields, bundle: string, mapsUsers: boolean): OciMount {
  fields.refuse('uidMappings', 'gidMappings');
  const destination = normalise(fields.text('destination') ?? fields.fail('destination', 'is missing'));
  if (destination === '/') fields.fail('destination', 'is the root itself');
  const words = fields.texts('options');
  const type = fields.text('type') ?? '';
  const options =
    type === 'bind' && !words.some(word => word === 'bind' || word === 'rbind') ? ['bind', ...words] : words;
  const parsed = parseMountOptions(options);
  const refused = options.findIndex(word => REFUSED.includes(word) || word.startsWith('x-'));
  if (refused !== -1)
    fields.fail(`options[${refused}]`, `${JSON.stringify(options[refused])} is not supported`);
  if (parsed.isIdMapped && !mapsUsers)
    fields.fail('options', '"idmap" needs a user namespace of the container’s own');
  // An extension of runc and crun that podman asks for: the tmpfs begins with what it covers.
  if (words.includes('tmpcopyup') && (type !== 'tmpfs' || mapsUsers))
    fields.fail('options', '"tmpcopyup" is for a tmpfs, and not in a user namespace');
  const source = fields.text('source') ?? '';
  if (parsed.isBind) {
    const data = parsed.data.filter(word => !IGNORED_ON_BIND.test(word));
    if (data.length > 0)
      fields.fail('options', `${JSON.stringify(data[0]?.slice(0, 60))} has no meaning for a bind mount`);
    if (source === '') fields.fail('source', 'is missing');
    if (destination.startsWith('/proc/') && !IN_PROC.test(destination))
      fields.fail('destination', `nothing may be mounted at ${destination}`);
  } else if (type === '' || type === 'none')
    fields.fail('type', 'is missing, and no bind mount is asked for');
  return {
    destination,
    type: parsed.isBind ? 'bind' : type,
    source: parsed.isBind && !source.startsWith('/') ? `${bundle}/${source}` : source,
    options,
  };
}

/** Options of the file system, which a bind mount shares with its source: mount(2) passes over them. */
const IGNORED_ON_BIND =
  /^(sync|async|dirsync|lazytime|nolazytime|mand|nomand|iversion|noiversion|silent|acl|noacl)$/;

/** As a path from the container's root, lexically: what is a link there is for the kernel to find out. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/'))
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  return `/${parts.join('/')}`;
}

/** For `podspace-runtime features`. */
export const KNOWN_OPTIONS: readonly string[] = [...Object.keys(MOUNT_OPTIONS), 'tmpcopyup'].sort();
