export { FairTurns } from './fair-turns.js';
export { Places } from './places.js';
export type { ShareOwner } from './share.js';
