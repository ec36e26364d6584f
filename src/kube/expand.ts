/**
 * `$(NAME)` in env values, command and args, as third_party/forked/golang/expansion has it: `$$` is a `$`, a name that
 * is not known stays as it is written.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, escaped: string, name: string | undefined) => {
    if (escaped === '$') return '$';
    return lookup(name ?? '') ?? whole;
  });
}
