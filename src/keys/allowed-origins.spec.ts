import { allowedOrigins } from './allowed-origins.js';

it.each([
  'https://app.example.com',
  'http://localhost:3000',
  'https://app.example.com:8443',
  'http://127.0.0.1:5173',
  'http://[::1]:3000',
  'https://xn--bcher-kva.example',
  'https://a',
])('%s is an origin', (origin) => {
  expect(allowedOrigins.parse([origin])).toEqual([origin]);
});

it.each([
  '',
  '*',
  'null',
  'app.example.com',
  '//app.example.com',
  'https://',
  'https:app.example.com',
  'https://*.example.com',
  'https://app.example.com/',
  'https://app.example.com/path',
  'https://app.example.com?',
  'https://app.example.com#',
  'https://App.example.com',
  'HTTPS://app.example.com',
  'https://app.example.com:443',
  'http://app.example.com:80',
  'https://app.example.com:',
  'https://app.example.com:99999',
  'https://user@app.example.com',
  'https://bücher.example',
  'https://127.1',
  'https://0x7f.0.0.1',
  ' https://app.example.com',
  'https://app.example.com ',
  'https://app.example.com\n',
  'https://app.example.com,https://other.example',
  'ftp://app.example.com',
  'file://',
  'chrome-extension://abcdef',
  'javascript:alert(1)',
  `https://${'a'.repeat(300)}.example`,
  'https://a\u0000.example',
])('%j is not an origin as browsers send it', (origin) => {
  expect(allowedOrigins.safeParse([origin]).success).toBe(false);
});

it('each origin counts once, and the order stays', () => {
  const [one, other] = ['https://b.example', 'https://a.example'];
  expect(allowedOrigins.parse([one, other, one])).toEqual([one, other]);
});

it('there may be a hundred, and no more', () => {
  const origins = Array.from({ length: 101 }, (_, index) => `https://a${index}.example`);
  expect(allowedOrigins.parse(origins.slice(1))).toHaveLength(100);
  expect(allowedOrigins.safeParse(origins).success).toBe(false);
});
