export { csvFile, csvLine, textCell, CSV_TYPE } from './csv.js';
