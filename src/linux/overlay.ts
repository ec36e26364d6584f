/** Bytes of an option's value, fsconfig(2). */
const MAX_OPTION = 255;

/** Whether overlayfs takes these layers as one option; it takes them one by one since Linux 6.7 only. */
export const isOneOption = (layers: readonly string[]): boolean => joined(layers).length <= MAX_OPTION;

/** The options of overlayfs for layers, the uppermost first. */
export function lowerOptions(layers: readonly string[]): readonly (readonly [key: string, value: string])[] {
  if (isOneOption(layers)) return [['lowerdir', joined(layers)]];
  return layers.map(layer => ['lowerdir+', layer] as const);
}

/** Layers are separated by ":", and "\\" is the escape. */
const joined = (layers: readonly string[]): string =>
  layers.map(layer => layer.replace(/[\\:]/g, '\\$&')).join(':');
