/**
 * Promises of the released API that the next release breaks on purpose, each with its reason, which CHANGELOG.md gives too. A
 * release empties this list, once openapi.released.snapshot.json is that of the release.
 */
export const DECLARED_BREAKS: readonly { readonly promise: RegExp; readonly why: string }[] = [];
