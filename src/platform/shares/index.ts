export { FairTurns, type FairTurnsOptions } from './fair-turns.js';
export { PacedLine, type LineOwner } from './paced-line.js';
export { Places } from './places.js';
export type { ShareOwner } from './share.js';
