export {
  newestFirst,
  pageFields,
  pageRequest,
  type Cursor,
  type Page,
  type PageRequest,
} from '../platform/http/index.js';
