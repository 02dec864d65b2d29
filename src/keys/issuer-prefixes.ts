import { Fault } from '../platform/errors/index.js';

/** The issuer whose users a publishable key accepts, and the prefix of their subjects. */
export interface IssuerPrefix {
  /** Null: the platform's own issuer. */
  readonly issuer: string | null;
  /** Empty: a human's name is the bare subject. */
  readonly humanPrefix: string;
}

/**
 * Keeps the users of a tenant's issuers apart, so that no human of one issuer can be a human of another: only one issuer has
 * bare subjects, and no prefix equals or begins another's. (A bare subject that begins with another issuer's prefix is refused
 * when it comes, see `otherHumanPrefixes`.)
 *
 * @param others those of the tenant's other keys
 * @throws Fault conflict
 */
export function assertApart(own: IssuerPrefix, others: readonly IssuerPrefix[]): void {
  const rival = others.find((other) => other.issuer !== own.issuer && collide(own.humanPrefix, other.humanPrefix));
  if (rival === undefined) return;
  const bare = own.humanPrefix === '';
  const field = own.issuer === null ? 'oidcConfig' : 'oidcConfig.humanPrefix';
  const reason = bare
    ? 'is required: another issuer of this tenant already uses unprefixed subjects'
    : "must not begin with another issuer's prefix, nor be the beginning of one";
  throw new Fault('conflict', `${field}: ${reason}.`, { fields: [{ field, reason }] });
}

function collide(one: string, other: string): boolean {
  if (one === '' || other === '') return one === other;
  return one.startsWith(other) || other.startsWith(one);
}
