import { account } from './account.js';
import { build } from './build.js';
import { gateways } from './gateways.js';
import { keys } from './keys.js';
import { organisation } from './organisation.js';
import { people } from './people.js';
import { shared } from './shared.js';
import { usage } from './usage.js';

export const en = { ...shared, ...account, ...keys, ...gateways, ...people, ...usage, ...build, ...organisation };
