/** Below the address of a development service: the issuer of its apps' users, for publishable keys on a laptop. */
const PATH = '/development/end-users';

/** What its tokens say in `aud`, unless told otherwise. */
export const END_USER_AUDIENCE = 'gatehouse-development-app';

/** @param baseUrl of the service, without a slash at its end */
export function endUserIssuerAt(baseUrl: string): string {
  return baseUrl + PATH;
}
