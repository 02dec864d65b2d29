/** The command line: `npx gatehouse`, and in a checkout also `npm run -s gatehouse --`. bin/gatehouse.mjs loads it. */
import { runCommandLine } from './command-line.js';

await runCommandLine(process.argv.slice(2));
