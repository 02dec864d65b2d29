import { canonicalJson } from './canonical-json.js';

it('writes equal documents in one way', () => {
  const spellings = [
    '{"b":[1,{"y":"é","x":null}],"a":"\\u0041/"}',
    ' { "a" : "A\\/" , "b" : [ 1 , { "x" : null , "y" : "\\u00e9" } ] }\n',
  ];
  for (const text of spellings) expect(canonicalJson(text)).toBe('{"a":"A/","b":[1,{"x":null,"y":"é"}]}');
});

it.each([
  ['the order of a list', '[1,2]', '[2,1]'],
  ['a number that a parser rounds', '{"seed":9007199254740993}', '{"seed":9007199254740992}'],
  ['a repeated key', '{"a":1,"a":2}', '{"a":2}'],
  ['the order of a repeated key', '{"a":1,"a":2}', '{"a":2,"a":1}'],
  ['a number and a text', '{"a":1}', '{"a":"1"}'],
  ['an empty list and an empty object', '[]', '{}'],
  ['a quote within a text', '{"a":"\\",\\"b\\":1"}', '{"a":"","b":1}'],
])('distinguishes %s', (_what, one, other) => {
  expect(canonicalJson(one)).not.toBe(canonicalJson(other));
});

it('keeps the meaning that JSON.parse reads', () => {
  for (const text of ['{}', '[]', '{"a":[{},[],"",0,-1.5e3,true,false,null,{"b":{"c":[[]]}}]}'])
    expect(JSON.parse(canonicalJson(text))).toEqual(JSON.parse(text));
});
