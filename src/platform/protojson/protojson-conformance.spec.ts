/**
 * The published rules of the JSON mapping, case by case, under the names that the conformance suite of Protocol Buffers
 * gives them. Where the contract decides otherwise than the mapping, the last block says so.
 */
import { z } from 'zod';
import { Fault } from '../errors/index.js';
import {
  boolean,
  double,
  enumeration,
  formatInt64,
  formatTimestamp,
  int64,
  integer,
  text,
  timestamp,
} from './protojson-scalars.js';
import { readMessage } from './protojson.js';

const INT32 = integer(-(2 ** 31), 2 ** 31 - 1);
const STRING = text(0, 100);
const ENUM = enumeration(['FOO', 'BAR', 'BAZ', 'NEG'], { FOO: 0, BAR: 1, BAZ: 2, NEG: -1 });
const NESTED = z.strictObject({ a: INT32.optional() });

const TEST_ALL_TYPES = z.strictObject({
  optionalInt32: INT32.optional(),
  optionalUint32: integer(0, 2 ** 32 - 1).optional(),
  optionalInt64: int64().optional(),
  optionalDouble: double(-Number.MAX_VALUE, Number.MAX_VALUE).optional(),
  optionalBool: boolean.optional(),
  optionalString: STRING.optional(),
  optionalNestedEnum: ENUM.optional(),
  optionalAliasedEnum: enumeration(['ALIAS_FOO', 'ALIAS_BAZ', 'MOO', 'moo'], {
    ALIAS_FOO: 0,
    ALIAS_BAZ: 2,
    MOO: 2,
    moo: 2,
  }).optional(),
  optionalNestedMessage: NESTED.optional(),
  optionalTimestamp: timestamp.optional(),
  repeatedInt32: z.array(INT32).optional(),
  repeatedString: z.array(STRING).optional(),
  repeatedNestedEnum: z.array(ENUM).optional(),
  repeatedNestedMessage: z.array(NESTED).optional(),
  fieldname1: INT32.optional(),
  fieldName2: INT32.optional(),
});

const read = (body: string): unknown => readMessage(Buffer.from(body), TEST_ALL_TYPES);

describe('the mapping accepts', () => {
  it.each<[string, string, Record<string, unknown>]>([
    ['FieldNameInLowerCamelCase', '{"fieldname1":1,"fieldName2":2}', { fieldname1: 1, fieldName2: 2 }],
    ['OriginalProtoFieldName', '{"fieldname1":1,"field_name2":2}', { fieldname1: 1, fieldName2: 2 }],
    ['FieldNameEscaped', '{"fieldn\\u0061me1":1}', { fieldname1: 1 }],
    ['OneLineWithSpaces', '{ "optionalInt32" : 1 , "optionalInt64" : 2 }', { optionalInt32: 1, optionalInt64: 2n }],
    ['MultilineWithSpaces', '{\n\t"fieldname1"\r\n:  1\n}\n', { fieldname1: 1 }],

    ['Int32FieldMaxValue', '{"optionalInt32":2147483647}', { optionalInt32: 2147483647 }],
    ['Int32FieldMinValue', '{"optionalInt32":-2147483648}', { optionalInt32: -2147483648 }],
    ['Uint32FieldMaxValue', '{"optionalUint32":4294967295}', { optionalUint32: 4294967295 }],
    ['Int64FieldMaxValue', '{"optionalInt64":"9223372036854775807"}', { optionalInt64: 9223372036854775807n }],
    ['Int64FieldMinValue', '{"optionalInt64":"-9223372036854775808"}', { optionalInt64: -9223372036854775808n }],
    ['Int64FieldMaxValueNotQuoted', '{"optionalInt64":9223372036854774784}', { optionalInt64: 9223372036854774784n }],
    ['Int64FieldMinValueNotQuoted', '{"optionalInt64":-9223372036854775808}', { optionalInt64: -9223372036854775808n }],
    ['Int32FieldStringValue', '{"optionalInt32":"2147483647"}', { optionalInt32: 2147483647 }],
    ['Int32FieldStringValueEscaped', '{"optionalInt32":"2\\u003147483647"}', { optionalInt32: 2147483647 }],
    ['Int32FieldStringValueZero', '{"optionalInt32":"0"}', { optionalInt32: 0 }],
    ['Int32FieldQuotedExponentialValue', '{"optionalInt32":"1e5"}', { optionalInt32: 100000 }],
    ['Int32FieldFloatTrailingZero', '{"optionalInt32":100000.000}', { optionalInt32: 100000 }],
    ['Int32FieldExponentialFormat', '{"optionalInt32":1e5}', { optionalInt32: 100000 }],
    ['Int32FieldMaxFloatValue', '{"optionalInt32":2.147483647e9}', { optionalInt32: 2147483647 }],
    ['Int32FieldMinFloatValue', '{"optionalInt32":-2.147483648e9}', { optionalInt32: -2147483648 }],
    ['Uint32FieldMaxFloatValue', '{"optionalUint32":4.294967295e9}', { optionalUint32: 4294967295 }],

    ['BoolFieldTrue', '{"optionalBool":true}', { optionalBool: true }],
    ['BoolFieldFalse', '{"optionalBool":false}', { optionalBool: false }],

    ['DoubleFieldMinPositiveValue', '{"optionalDouble":2.22507e-308}', { optionalDouble: 2.22507e-308 }],
    ['DoubleFieldMaxNegativeValue', '{"optionalDouble":-2.22507e-308}', { optionalDouble: -2.22507e-308 }],
    ['DoubleFieldMaxPositiveValue', '{"optionalDouble":1.79769e+308}', { optionalDouble: 1.79769e308 }],
    ['DoubleFieldMinNegativeValue', '{"optionalDouble":-1.79769e+308}', { optionalDouble: -1.79769e308 }],
    ['DoubleFieldQuotedValue', '{"optionalDouble":"1"}', { optionalDouble: 1 }],
    ['DoubleFieldQuotedExponentialValue', '{"optionalDouble":"2.22507e-308"}', { optionalDouble: 2.22507e-308 }],

    ['EnumField', '{"optionalNestedEnum":"FOO"}', { optionalNestedEnum: 'FOO' }],
    ['EnumFieldNumericValueZero', '{"optionalNestedEnum":0}', { optionalNestedEnum: 'FOO' }],
    ['EnumFieldNumericValueNonZero', '{"optionalNestedEnum":1}', { optionalNestedEnum: 'BAR' }],
    ['a negative number of an enum', '{"optionalNestedEnum":-1}', { optionalNestedEnum: 'NEG' }],
    ['EnumFieldWithAlias', '{"optionalAliasedEnum":"ALIAS_BAZ"}', { optionalAliasedEnum: 'ALIAS_BAZ' }],
    ['EnumFieldWithAliasUseAlias', '{"optionalAliasedEnum":"MOO"}', { optionalAliasedEnum: 'ALIAS_BAZ' }],
    ['EnumFieldWithAliasLowerCase', '{"optionalAliasedEnum":"moo"}', { optionalAliasedEnum: 'ALIAS_BAZ' }],

    ['StringField', '{"optionalString":"Hello world!"}', { optionalString: 'Hello world!' }],
    ['StringFieldUnicode', '{"optionalString":"谷歌"}', { optionalString: '谷歌' }],
    ['StringFieldEscape', '{"optionalString":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', { optionalString: '"\\/\b\f\n\r\t' }],
    ['StringFieldUnicodeEscape', '{"optionalString":"\\u8C37\\u6b4c"}', { optionalString: '谷歌' }],
    ['StringFieldSurrogatePair', '{"optionalString":"\\uD83D\\uDE01"}', { optionalString: '😁' }],

    ['MessageField', '{"optionalNestedMessage":{"a":1234}}', { optionalNestedMessage: { a: 1234 } }],
    ['a message without fields', '{"optionalNestedMessage":{}}', { optionalNestedMessage: {} }],
    ['PrimitiveRepeatedField', '{"repeatedInt32":[1,2,"3",4.0]}', { repeatedInt32: [1, 2, 3, 4] }],
    ['EnumRepeatedField', '{"repeatedNestedEnum":["FOO",1,"BAZ"]}', { repeatedNestedEnum: ['FOO', 'BAR', 'BAZ'] }],
    ['StringRepeatedField', '{"repeatedString":["Hello","world"]}', { repeatedString: ['Hello', 'world'] }],
    ['MessageRepeatedField', '{"repeatedNestedMessage":[{"a":1},{}]}', { repeatedNestedMessage: [{ a: 1 }, {}] }],

    [
      'TimestampMinValue',
      '{"optionalTimestamp":"0001-01-01T00:00:00Z"}',
      { optionalTimestamp: new Date(-62135596800000) },
    ],
    [
      'TimestampMaxValue',
      '{"optionalTimestamp":"9999-12-31T23:59:59.999999999Z"}',
      { optionalTimestamp: new Date(253402300799999) },
    ],
    ['TimestampEpochValue', '{"optionalTimestamp":"1970-01-01T00:00:00.000Z"}', { optionalTimestamp: new Date(0) }],
    [
      'TimestampTenAndHalfSecondsBeforeEpochValue',
      '{"optionalTimestamp":"1969-12-31T23:59:49.500Z"}',
      { optionalTimestamp: new Date(-10500) },
    ],
    [
      'TimestampLeap',
      '{"optionalTimestamp":"1993-02-10T00:00:00.000Z"}',
      { optionalTimestamp: new Date(729302400000) },
    ],
    [
      'TimestampWithPositiveOffset',
      '{"optionalTimestamp":"1970-01-01T08:00:01+08:00"}',
      { optionalTimestamp: new Date(1000) },
    ],
    [
      'TimestampWithNegativeOffset',
      '{"optionalTimestamp":"1969-12-31T16:00:01-08:00"}',
      { optionalTimestamp: new Date(1000) },
    ],
    [
      'AllFieldAcceptNull',
      `{${Object.keys(TEST_ALL_TYPES.shape)
        .map((name) => `"${name}":null`)
        .join()}}`,
      {},
    ],
  ])('%s', (_name, body, message) => {
    expect(read(body)).toStrictEqual(message);
  });
});

describe('the mapping refuses', () => {
  it.each<[string, string]>([
    ['RejectTopLevelNull', 'null'],
    ['FieldNameNotQuoted', '{fieldname1:1}'],
    ['TrailingCommaInAnObject', '{"fieldname1":1,}'],
    ['JsonWithComments', '{/* A comment. */"fieldname1":1}'],
    ['MissingCommaOneLine', '{"optionalInt32":1 "optionalInt64":2}'],
    ['StringEndsWithEscapeChar', '{"optionalString":"abc\\'],
    ['StringFieldSingleQuoteKey', `{'optionalString':"Hello world!"}`],
    ['StringFieldSingleQuoteValue', `{"optionalString":'Hello world!'}`],
    ['StringFieldUppercaseEscapeLetter', '{"optionalString":"\\U8C37"}'],
    ['StringFieldInvalidEscape', '{"optionalString":"\\uXXXX"}'],
    ['StringFieldUnterminatedEscape', '{"optionalString":"\\u8C3"}'],
    ['Int32FieldPlusSign', '{"optionalInt32":+1}'],
    ['Int32FieldLeadingZero', '{"optionalInt32":01}'],
    ['Int32FieldNegativeWithLeadingZero', '{"optionalInt32":-01}'],
    ['BoolFieldCamelCaseTrue', '{"optionalBool":True}'],
    ['BoolFieldAllCapitalFalse', '{"optionalBool":FALSE}'],
    ['DoubleFieldNanNotQuoted', '{"optionalDouble":NaN}'],
    ['DoubleFieldInfinityNotQuoted', '{"optionalDouble":Infinity}'],
    ['DoubleFieldNegativeInfinityNotQuoted', '{"optionalDouble":-Infinity}'],
    ['DoubleFieldTooLarge, with a plus', '{"optionalDouble":+1.89769e+308}'],
    ['EnumFieldNotQuoted', '{"optionalNestedEnum":FOO}'],
    ['RepeatedFieldTrailingComma', '{"repeatedInt32":[1,2,3,4,]}'],
    ['a field name that is null', '{"optionalNestedMessage":{null:1}}'],
  ])('invalid JSON: %s', (_name, body) => {
    expect(() => read(body)).toThrow(Fault);
  });

  it.each<[string, string, string]>([
    ['FieldNameDuplicate', '{"optionalNestedMessage":{"a":1},"optionalNestedMessage":{}}', 'optionalNestedMessage'],
    [
      'FieldNameDuplicateDifferentCasing1',
      '{"optional_nested_message":{"a":1},"optionalNestedMessage":{}}',
      'optionalNestedMessage',
    ],
    [
      'FieldNameDuplicateDifferentCasing2',
      '{"optionalNestedMessage":{"a":1},"optional_nested_message":{}}',
      'optional_nested_message',
    ],
    ['RejectReservedFieldName', '{"reserved_field":{"a":1}}', 'reserved_field'],

    ['Int32FieldTooLarge', '{"optionalInt32":2147483648}', 'optionalInt32'],
    ['Int32FieldTooSmall', '{"optionalInt32":-2147483649}', 'optionalInt32'],
    ['Uint32FieldTooLarge', '{"optionalUint32":4294967296}', 'optionalUint32'],
    ['a negative number for a uint32', '{"optionalUint32":-1}', 'optionalUint32'],
    ['Int64FieldTooLarge', '{"optionalInt64":"9223372036854775808"}', 'optionalInt64'],
    ['Int64FieldTooSmall', '{"optionalInt64":"-9223372036854775809"}', 'optionalInt64'],
    ['Uint64QuotedExponentFieldTooLarge', '{"optionalInt64":"1e536870000"}', 'optionalInt64'],
    ['Int32FieldNotInteger', '{"optionalInt32":0.5}', 'optionalInt32'],
    ['Int64FieldNotInteger', '{"optionalInt64":"0.5"}', 'optionalInt64'],
    ['Int32FieldTrueValue', '{"optionalInt32":true}', 'optionalInt32'],
    ['Int32FieldFalseValue', '{"optionalInt32":false}', 'optionalInt32'],
    ['Int32FieldStringValuePartiallyNumeric', '{"optionalInt32":"12abc"}', 'optionalInt32'],
    ['Int32FieldStringValuePartiallyNumericSpace', '{"optionalInt32":"12 34"}', 'optionalInt32'],
    ['Int32FieldStringValuePartiallyNumericComma', '{"optionalInt32":"12,34"}', 'optionalInt32'],
    ['Int32FieldStringValuePartiallyNumericUnicode', '{"optionalInt32":"12谷歌34"}', 'optionalInt32'],
    ['Int32FieldStringValueNonNumeric', '{"optionalInt32":"abc"}', 'optionalInt32'],
    ['Int32FieldEmptyString', '{"optionalInt32":""}', 'optionalInt32'],
    ['Uint32FieldEmptyString', '{"optionalUint32":""}', 'optionalUint32'],
    ['Int64FieldEmptyString', '{"optionalInt64":""}', 'optionalInt64'],
    ['Int32FieldNotNumber', '{"optionalInt32":"3x3"}', 'optionalInt32'],
    ['Int64FieldNotNumber', '{"optionalInt64":"3x3"}', 'optionalInt64'],
    ['Int32FieldLeadingSpace', '{"optionalInt32":" 1"}', 'optionalInt32'],
    ['Int32FieldTrailingSpace', '{"optionalInt32":"1 "}', 'optionalInt32'],

    ['BoolFieldIntegerZero', '{"optionalBool":0}', 'optionalBool'],
    ['BoolFieldIntegerOne', '{"optionalBool":1}', 'optionalBool'],
    ['BoolFieldDoubleQuotedTrue', '{"optionalBool":"true"}', 'optionalBool'],
    ['BoolFieldDoubleQuotedFalse', '{"optionalBool":"false"}', 'optionalBool'],

    ['DoubleFieldTooSmall', '{"optionalDouble":-1.89769e+308}', 'optionalDouble'],
    ['DoubleFieldTooLarge', '{"optionalDouble":1.89769e+308}', 'optionalDouble'],
    ['DoubleFieldEmptyString', '{"optionalDouble":""}', 'optionalDouble'],
    ['DoubleFieldStringValuePartiallyNumeric', '{"optionalDouble":"12abc"}', 'optionalDouble'],
    ['DoubleFieldStringValuePartiallyNumericSpace', '{"optionalDouble":"12 34"}', 'optionalDouble'],
    ['DoubleFieldStringValueNonNumeric', '{"optionalDouble":"abc"}', 'optionalDouble'],
    ['DoubleFieldTrueValue', '{"optionalDouble":true}', 'optionalDouble'],

    ['EnumFieldSingleElementArrayEnumName', '{"optionalNestedEnum":["FOO"]}', 'optionalNestedEnum'],
    ['EnumFieldSingleElementArrayNumericValue', '{"optionalNestedEnum":[2]}', 'optionalNestedEnum'],
    ['EnumFieldTrueValue', '{"optionalNestedEnum":true}', 'optionalNestedEnum'],
    ['RejectUnknownEnumStringValueInOptionalField', '{"optional_nested_enum":"UNKNOWN"}', 'optional_nested_enum'],
    ['RejectUnknownEnumStringValueInRepeatedField', '{"repeatedNestedEnum":["FOO","X"]}', 'repeatedNestedEnum.1'],

    ['StringFieldNotAString', '{"optionalString":12345}', 'optionalString'],
    ['StringFieldUnpairedHighSurrogate', '{"optionalString":"\\uD800"}', 'optionalString'],
    ['StringFieldUnpairedLowSurrogate', '{"optionalString":"\\uDC00"}', 'optionalString'],
    ['StringFieldSurrogateInWrongOrder', '{"optionalString":"\\uDE01\\uD83D"}', 'optionalString'],

    ['RepeatedFieldWrongElementTypeExpectingIntegersGotBool', '{"repeatedInt32":[1,false,3]}', 'repeatedInt32.1'],
    ['RepeatedFieldWrongElementTypeExpectingIntegersGotString', '{"repeatedInt32":[1,2,"name"]}', 'repeatedInt32.2'],
    ['RepeatedFieldWrongElementTypeExpectingIntegersGotMessage', '{"repeatedInt32":[1,{"a":4}]}', 'repeatedInt32.1'],
    ['RepeatedFieldWrongElementTypeExpectingStringsGotInt', '{"repeatedString":["1",2]}', 'repeatedString.1'],
    [
      'RepeatedFieldWrongElementTypeExpectingMessagesGotInt',
      '{"repeatedNestedMessage":[{},2]}',
      'repeatedNestedMessage.1',
    ],
    [
      'RepeatedFieldWrongElementTypeExpectingMessagesGotString',
      '{"repeatedNestedMessage":[{"a":1},"2"]}',
      'repeatedNestedMessage.1',
    ],
    ['RepeatedFieldPrimitiveElementIsNull', '{"repeatedInt32":[1,null,2]}', 'repeatedInt32.1'],
    ['RepeatedFieldMessageElementIsNull', '{"repeatedNestedMessage":[{"a":1},null]}', 'repeatedNestedMessage.1'],

    ['TimestampJsonInputTooSmall', '{"optionalTimestamp":"0000-01-01T00:00:00Z"}', 'optionalTimestamp'],
    ['TimestampJsonInputTooLarge', '{"optionalTimestamp":"10000-01-01T00:00:00Z"}', 'optionalTimestamp'],
    ['TimestampJsonInputMissingZ', '{"optionalTimestamp":"0001-01-01T00:00:00"}', 'optionalTimestamp'],
    ['TimestampJsonInputMissingT', '{"optionalTimestamp":"0001-01-01 00:00:00Z"}', 'optionalTimestamp'],
    ['TimestampJsonInputLowercaseZ', '{"optionalTimestamp":"0001-01-01T00:00:00z"}', 'optionalTimestamp'],
    ['TimestampJsonInputLowercaseT', '{"optionalTimestamp":"0001-01-01t00:00:00Z"}', 'optionalTimestamp'],
    ['TimestampWithMissingColonInOffset', '{"optionalTimestamp":"1970-01-01T08:00:01+0800"}', 'optionalTimestamp'],
  ])('%s', (_name, body, field) => {
    expect(() => read(body)).toThrow(
      expect.objectContaining({ kind: 'invalid_input', fields: [expect.objectContaining({ field })] }) as Error,
    );
  });
});

describe('the mapping emits', () => {
  it.each<[string, string, string]>([
    ['Int64FieldBeString', formatInt64(1n), '1'],
    ['Int64FieldMinValue', formatInt64(-9223372036854775808n), '-9223372036854775808'],
    ['TimestampHas3FractionalDigits', formatTimestamp(new Date(10)), '1970-01-01T00:00:00.010Z'],
    ['TimestampZeroNormalized, with three digits', formatTimestamp(new Date(0)), '1970-01-01T00:00:00.000Z'],
  ])('%s', (_name, written, expected) => {
    expect(written).toBe(expected);
  });

  it.each<[string, () => string]>([
    ['TimestampProtoInputTooSmall', () => formatTimestamp(new Date(-62135596800001))],
    ['TimestampProtoInputTooLarge', () => formatTimestamp(new Date(253402300800000))],
    ['an invalid date', () => formatTimestamp(new Date(NaN))],
    ['an int64 of more than 64 bits', () => formatInt64(2n ** 63n)],
    ['the same below zero', () => formatInt64(-(2n ** 63n) - 1n)],
  ])('nothing that it could not read back: %s', (_name, write) => {
    expect(write).toThrow(RangeError);
  });
});

describe('where the contract decides otherwise', () => {
  it.each<[string, string, string]>([
    ['StringFieldEmbeddedNull: Postgres stores no U+0000', '{"optionalString":"a\\u0000b"}', 'optionalString'],
    ['DoubleFieldNan: no field of ours means anything by it', '{"optionalDouble":"NaN"}', 'optionalDouble'],
    ['DoubleFieldInfinity', '{"optionalDouble":"Infinity"}', 'optionalDouble'],
    ['DoubleFieldNegativeInfinity', '{"optionalDouble":"-Infinity"}', 'optionalDouble'],
    ['EnumFieldUnknownValue: nothing could be done with it', '{"optionalNestedEnum":123}', 'optionalNestedEnum'],
    ['a bare int64 that a double rounds is not changed unseen', '{"optionalInt64":9007199254740993}', 'optionalInt64'],
  ])('%s', (_name, body, field) => {
    expect(() => read(body)).toThrow(
      expect.objectContaining({ kind: 'invalid_input', fields: [expect.objectContaining({ field })] }) as Error,
    );
  });
});
