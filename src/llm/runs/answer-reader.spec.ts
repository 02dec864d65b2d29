import { AnswerReader } from './answer-reader.js';

const eventOf = (content: string): Buffer =>
  Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`);

it('reads the text of an event that arrives in pieces', () => {
  const said = 'a long word '.repeat(50_000);
  const bytes = Buffer.concat([eventOf('First. '), eventOf(said), eventOf(' Last.')]);
  const reader = new AnswerReader();
  let text = '';
  for (let at = 0; at < bytes.length; at += 65_536) text += reader.readEvents(bytes.subarray(at, at + 65_536));
  expect(text).toBe(`First. ${said} Last.`);
});

it('reads nothing of a complete answer that is too large', () => {
  const answer = (content: string): Buffer =>
    Buffer.from(`{"x":[${content}],"choices":[{"message":{"content":"Hi"}}]}`);
  const reader = new AnswerReader();
  expect(reader.readBody(answer('1,2'))).toBe('Hi');
  expect(reader.readBody(answer(`${'[],'.repeat(260_000)}1`))).toBeNull();
});
