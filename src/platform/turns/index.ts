export { atTurnsEnd } from './turns-end.js';
export { BODY_TURNS, BYTES_PER_PIECE, RECEIVING_TURNS, type Receiver } from './receiving-turns.js';
