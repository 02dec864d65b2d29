/**
 * Promises of the released API that the next release breaks on purpose, each with the reason, which stands in CHANGELOG.md too.
 * A release empties the list, once openapi.released.snapshot.json is that of the release.
 */
export const DECLARED_BREAKS: readonly { readonly promise: RegExp; readonly why: string }[] = [];
