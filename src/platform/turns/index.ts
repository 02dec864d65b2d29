export { atTurnsEnd } from './turns-end.js';
