export { FairTurns, type FairTurnsOptions } from './fair-turns.js';
export { Places } from './places.js';
export type { ShareOwner } from './share.js';
