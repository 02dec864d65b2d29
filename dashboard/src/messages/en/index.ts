import { account } from './account.js';
import { gateways } from './gateways.js';
import { keys } from './keys.js';
import { people } from './people.js';
import { shared } from './shared.js';
import { usage } from './usage.js';

export const en = { ...shared, ...account, ...keys, ...gateways, ...people, ...usage };
