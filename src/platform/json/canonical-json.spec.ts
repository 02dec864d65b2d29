import { canonicalJson } from './canonical-json.js';

it('spells what says the same in one way', () => {
  const spellings = [
    '{"b":[1,{"y":"é","x":null}],"a":"\\u0041/"}',
    ' { "a" : "A\\/" , "b" : [ 1 , { "x" : null , "y" : "\\u00e9" } ] }\n',
  ];
  for (const text of spellings) expect(canonicalJson(text)).toBe('{"a":"A/","b":[1,{"x":null,"y":"é"}]}');
});

it.each([
  ['the order of a list', '[1,2]', '[2,1]'],
  ['a number that a parser rounds', '{"seed":9007199254740993}', '{"seed":9007199254740992}'],
  ['a key that stands twice', '{"a":1,"a":2}', '{"a":2}'],
  ['which of the two comes last', '{"a":1,"a":2}', '{"a":2,"a":1}'],
  ['a number and a text', '{"a":1}', '{"a":"1"}'],
  ['an empty list and an empty object', '[]', '{}'],
  ['a quote within a text', '{"a":"\\",\\"b\\":1"}', '{"a":"","b":1}'],
])('tells apart %s', (_what, one, other) => {
  expect(canonicalJson(one)).not.toBe(canonicalJson(other));
});

it('says what JSON.parse says', () => {
  for (const text of ['{}', '[]', '{"a":[{},[],"",0,-1.5e3,true,false,null,{"b":{"c":[[]]}}]}'])
    expect(JSON.parse(canonicalJson(text))).toEqual(JSON.parse(text));
});
