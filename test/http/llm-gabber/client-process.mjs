// Runs Gabber's own client as an application runs it, in plain Node: one call for each list of `calls` on the standard input,
// and a list of the results on the standard output.
import { text } from 'node:stream/consumers';
import { Api } from 'gabber-client-core';

const { baseUrl, token, calls } = JSON.parse(await text(process.stdin));
const api = new Api(token);
// The package has Gabber's own servers built in, and its constructor accepts no other address.
api.llm.configuration.basePath = baseUrl;

const answers = [];
for (const [method, ...given] of calls) {
  // An argument like "$0.id" is a field of an earlier call's result.
  const taken = given.map((value) => {
    const [, index, field] = /^\$(\d+)\.(\w+)$/.exec(value) ?? [];
    return index === undefined ? value : answers[Number(index)].data[field];
  });
  try {
    const { status, data } = await api.llm[method](...taken);
    answers.push({ status, data });
  } catch (error) {
    answers.push({ status: error.response?.status ?? null, data: error.response?.data ?? String(error) });
  }
}
process.stdout.write(JSON.stringify(answers));
