/** Why a pod has no network; what was made of it is undone. */
export class NetworkError extends Error {}
