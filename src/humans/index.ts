export { HumansModule } from './humans.module.js';
