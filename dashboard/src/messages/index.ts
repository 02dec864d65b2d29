import { en } from './en/index.js';

/** Every text of the dashboard; another language is another value of this type. */
export type Messages = typeof en;

/** The messages of the reader's language. */
export const m: Messages = en;
