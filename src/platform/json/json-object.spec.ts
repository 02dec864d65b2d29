import { runInThisContext } from 'node:vm';
import fc from 'fast-check';
import { Fault } from '../errors/index.js';
import { parseJsonObject, replaceField, withField } from './json-object.js';

const parse = (text: string): ReturnType<typeof parseJsonObject> => parseJsonObject(Buffer.from(text));

function refusal(body: Buffer | string): Fault {
  try {
    parseJsonObject(Buffer.from(body as string));
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect((error as Fault).status).toBe(400);
    return error as Fault;
  }
  throw new Error('It was accepted.');
}

/** JSON as people and programs write it, as text: white space, escapes and numbers that no serializer writes. */
const space = fc.array(fc.constantFrom(' ', '\n', '\r', '\t'), { maxLength: 2 }).map((parts) => parts.join(''));
const number = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1.0',
    '1e3',
    '1E+2',
    '-1.50e-7',
    '1e400',
    '9007199254740993',
    '123456789012345678901234567890',
  ),
  fc.integer().map(String),
);
const string = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc
    .array(
      fc.constantFrom(
        '\\"',
        '\\\\',
        '\\/',
        '\\u007b',
        '\\ud83d\\ude00',
        '\\u0000',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        'é',
        '😀',
        "'",
      ),
      {
        maxLength: 8,
      },
    )
    .map((parts) => `"${parts.join('')}"`),
);
const joined = (open: string, items: fc.Arbitrary<string>, close: string): fc.Arbitrary<string> =>
  fc
    .tuple(fc.array(fc.tuple(space, items, space), { maxLength: 4 }), space)
    .map(
      ([parts, blank]) => open + (parts.length === 0 ? blank : parts.map((part) => part.join('')).join(',')) + close,
    );
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(number, string, fc.constantFrom('true', 'false', 'null')),
    joined('[', tie('value'), ']'),
    joined(
      '{',
      fc.tuple(string, space, space, tie('value')).map(([key, a, b, item]) => `${key}${a}:${b}${item}`),
      '}',
    ),
  ),
}));
/** A top-level object whose keys differ; some are written with escapes. */
const object = fc
  .tuple(
    fc.uniqueArray(fc.tuple(string, space, space, space, value, space), {
      maxLength: 5,
      selector: ([key]) => JSON.parse(key) as string,
    }),
    space,
    space,
    space,
  )
  .map(([fields, before, after, blank]) => {
    const inner = fields.map(([key, a, b, c, item, d]) => `${a}${key}${b}:${c}${item}${d}`).join(',');
    return `${before}{${fields.length === 0 ? blank : inner}}${after}`;
  });

/**
 * JSON is ECMAScript. V8's JSON.parse may read a key with an escape as another key; its compiler does not, but takes `__proto__`
 * for the prototype.
 */
const valueOf = (text: string): unknown => {
  fc.pre(!text.includes('__proto__'));
  return runInThisContext(`(${text})`);
};

describe('a body that is one JSON object', () => {
  it('is read as ECMAScript reads it', () => {
    fc.assert(
      fc.property(object, (text) => {
        expect(parse(text).value).toEqual(valueOf(text));
      }),
    );
  });

  it('gives the position of each top-level value, and of no nested one', () => {
    fc.assert(
      fc.property(object, (text) => {
        const parsed = parse(text);
        const spans = [...parsed.fields].map(([key, { start, end }]) => [key, valueOf(parsed.text.slice(start, end))]);
        expect(new Map(spans as [string, unknown][])).toEqual(new Map(Object.entries(valueOf(text) as object)));
      }),
    );
  });

  it('may begin with a byte order mark, which is not passed on', () => {
    const parsed = parse('\ufeff{"model":"a"}');
    expect(parsed.value).toEqual({ model: 'a' });
    expect(withField(parsed, 'model', 'b')).toBe('{"model":"b"}');
  });

  it('begins with a brace, after white space at most', () => {
    refusal('\ufeff\ufeff{}');
    refusal('\u00a0{}');
  });
});

describe('a field that is changed', () => {
  const field = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.constantFrom('model', 'stream', 'max_tokens', '__proto__', '{', '"'),
  );

  it('has the new value, and every other field the value that it had', () => {
    fc.assert(
      fc.property(object, field, fc.jsonValue(), (text, name, changed) => {
        const parsed = parse(text);
        const result = parse(withField(parsed, name, changed));
        const expected = new Map(Object.entries(parsed.value)).set(name, JSON.parse(JSON.stringify(changed)));
        expect(new Map(Object.entries(result.value))).toEqual(expected);
      }),
    );
  });

  it('and existed keeps every character before and after its value', () => {
    fc.assert(
      fc.property(object, fc.nat(), fc.jsonValue(), (text, choice, changed) => {
        const parsed = parse(text);
        const names = [...parsed.fields.keys()];
        fc.pre(names.length > 0);
        const name = names[choice % names.length]!;
        const { start, end } = parsed.fields.get(name)!;
        const json = JSON.stringify(changed);
        const result = withField(parsed, name, changed);
        expect(result.slice(start, start + json.length)).toBe(json);
        expect(result.slice(0, start) + text.slice(start, end) + result.slice(start + json.length)).toBe(text);
      }),
    );
  });

  it('and did not exist is added, and removing it again gives the original text', () => {
    fc.assert(
      fc.property(object, field, fc.jsonValue(), (text, name, changed) => {
        const parsed = parse(text);
        fc.pre(!parsed.fields.has(name));
        const piece = `${JSON.stringify(name)}:${JSON.stringify(changed)}${parsed.fields.size === 0 ? '' : ','}`;
        const at = text.indexOf('{') + 1;
        const result = withField(parsed, name, changed);
        expect(result.slice(at, at + piece.length)).toBe(piece);
        expect(result.slice(0, at) + result.slice(at + piece.length)).toBe(text);
      }),
    );
  });

  it.each([
    ['a number beyond what a double holds', '{"seed": 12345678901234567890123, "model":"a"}'],
    ['a number written with a decimal point', '{"temperature":1.0,"model":"a"}'],
    ['an escape that no serializer would write', '{"a\\u002fb":"\\u0041\\/","model":"a"}'],
    ['white space', '\r\n{ "x" :\t[ 1 , 2 ] , "model"\n: "a" }\n'],
    [
      'strings that hold quotes, backslashes and braces',
      '{"x":"\\\\\\"}{][,:\\\\","model":"a","y":"\\"model\\":\\"z\\""}',
    ],
    ['a nested field of the same name', '{"x":{"model":"inner"},"y":[{"model":1}],"model":"a"}'],
    ['its name written with an escape', '{"m\\u006fdel":"a","x":1}'],
  ])('leaves all else unchanged beside %s', (_case, text) => {
    const spelled = /"m(?:o|\\u006f)del"\s*:\s*"a"/.exec(text)![0];
    expect(withField(parse(text), 'model', 'b')).toBe(text.replace(spelled, spelled.replace('"a"', '"b"')));
  });

  it.each(['true', 'null', '-1.5e3', '""', '[]', '{}'])(
    'is found where its value was %s and the object ends right after it',
    (json) => {
      expect(withField(parse(`{"a":1,"stream":${json}}`), 'stream', false)).toBe('{"a":1,"stream":false}');
      expect(withField(parse(`{"stream":${json},"a":1}`), 'stream', false)).toBe('{"stream":false,"a":1}');
    },
  );
});

describe('an object with a field replaced', () => {
  it('is the object that parsing the changed text gives', () => {
    const field = fc.oneof(fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom('model', '__proto__', '"', ''));
    fc.assert(
      fc.property(object, field, fc.nat(), fc.jsonValue(), (text, other, choice, changed) => {
        const parsed = parse(text);
        const names = [...parsed.fields.keys(), other];
        const name = names[choice % names.length]!;
        const replaced = replaceField(parsed, name, changed);
        const again = parse(withField(parsed, name, changed));
        expect(replaced.text).toBe(again.text);
        expect(replaced.bytes.equals(again.bytes)).toBe(true);
        expect(new Map(replaced.fields)).toEqual(new Map(again.fields));
        expect(new Map(Object.entries(replaced.value))).toEqual(new Map(Object.entries(again.value)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a repeated top-level key', () => {
  it.each([
    ['with the same value', '{"model":"a","model":"a"}', 'model'],
    ['with another', '{"model":"cheap","messages":[],"model":"dear"}', 'model'],
    ['once with an escape', '{"model":"cheap","m\\u006fdel":"dear"}', 'model'],
    ['with escapes both times', '{"\\u006d\\u006fdel":1,"\\u006Dodel":2}', 'model'],
    ['once as null', '{"max_tokens":5,"max_tokens":null}', 'max_tokens'],
    ['with an escaped quote in it', '{"a\\"b":1,"a\\u0022b":2}', 'a"b'],
    ['as a surrogate pair and as its character', '{"\\ud83d\\ude00":1,"😀":2}', '😀'],
    ['as the name of the prototype', '{"__proto__":1,"__proto__":2}', '__proto__'],
    ['as the empty name', '{"":1,"":2}', ''],
  ])('is refused %s, and named', (_case, text, name) => {
    expect(refusal(text).fields).toEqual([{ field: name, reason: expect.stringContaining('twice') as string }]);
  });

  it('is refused in any position', () => {
    const twice = fc.tuple(object, string, value, value, fc.boolean());
    fc.assert(
      fc.property(twice, ([text, key, one, other, front]) => {
        const open = text.indexOf('{') + 1;
        const close = text.lastIndexOf('}');
        const comma = text.slice(open, close).trim() === '' ? '' : ',';
        const spelled = JSON.stringify(JSON.parse(key));
        const doubled = front
          ? `{${key}:${one},${spelled}:${other}${comma}${text.slice(open, close)}}`
          : `{${key}:${one}${comma}${text.slice(open, close)},${spelled}:${other}}`;
        refusal(doubled);
      }),
    );
  });

  it('does not matter inside a nested object, nor where only the case differs', () => {
    const text = '{"x":{"a":1,"a":2},"y":[{"b":1,"b":2}],"Model":1,"model":2}';
    expect(parse(text).value).toEqual({ x: { a: 2 }, y: [{ b: 2 }], Model: 1, model: 2 });
  });
});

describe('any other body', () => {
  it.each([
    '',
    ' ',
    'null',
    'true',
    '7',
    '"text"',
    '[]',
    '[{"model":"a"}]',
    '{',
    '{"a":1',
    '{"a":1}{',
    '{"a":1} x',
    "{'a':1}",
    '{a:1}',
    '{"a":1,}',
    '{"a":01}',
    '{"a":NaN}',
    '{"a":"\t"}',
  ])('is refused: %j', (text) => {
    refusal(text);
  });

  it.each([
    ['a lone continuation byte', [0x7b, 0x22, 0x80, 0x22, 0x3a, 0x31, 0x7d]],
    ['an overlong encoding', [0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]],
    ['an encoded surrogate', [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]],
    ['a character cut off', [0x7b, 0x22, 0xf0, 0x9f, 0x98, 0x22, 0x3a, 0x31, 0x7d]],
  ])('is refused as not UTF-8: %s', (_case, bytes) => {
    expect(refusal(Buffer.from(bytes)).message).toContain('UTF-8');
  });

  it('is refused as UTF-16', () => {
    refusal(Buffer.from('\ufeff{"a":1}', 'utf16le'));
  });

  it.each([
    '{"messages":"my secret prompt" x}',
    '{"messages":"my secret prompt',
    'my secret prompt',
    '{"my secret prompt":tru}',
  ])('is quoted neither to the caller nor to the log: %s', (text) => {
    let told = '';
    for (let error: unknown = refusal(text); error instanceof Error; error = error.cause)
      told += `${error.message}\n${error.stack}\n`;
    // The stack begins with the message; the paths after it are ours.
    expect(told).not.toContain('secret');
    expect(told).not.toContain('prompt');
  });
});

describe('depth', () => {
  it('of any number of levels is read without running out of stack', () => {
    const deep = `{"x":${'['.repeat(200_000)}${']'.repeat(200_000)},"model":"a"}`;
    expect(withField(parse(deep), 'model', 'b')).toBe(deep.replace('"a"', '"b"'));
  });
});
