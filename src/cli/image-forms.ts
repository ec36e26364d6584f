/** What `podspace image` does, and what each action takes. */
export const IMAGE_FORMS = {
  ls: '',
  pull: 'NAME',
  import: '[NAME] DIR|TAR|-',
  inspect: 'NAME',
  tag: 'NAME NEW',
  rm: 'NAME',
  export: 'NAME FILE|-',
  prune: '[--all]',
  fsck: '',
  login: 'REGISTRY',
  logout: 'REGISTRY',
} as const;
