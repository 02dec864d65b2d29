import type { Language } from '../keys/first-call.js';
import type { ChatRequest } from './stream.js';

const KEY = 'YOUR_KEY';

/** The conversation's request, to paste into a terminal or a program. */
export function codeOf(language: Language, request: ChatRequest, origin = location.origin): string {
  const body = JSON.stringify(request, null, 2);
  const code = {
    curl: [
      `curl ${origin}/v1/chat/completions \\`,
      `  -H 'Authorization: Bearer ${KEY}' \\`,
      `  -H 'Content-Type: application/json' \\`,
      `  -d '${body.replaceAll("'", "'\\''")}'`,
    ],
    JavaScript: [
      `// npm install openai`,
      `import OpenAI from 'openai';`,
      ``,
      `const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: '${KEY}' });`,
      `const answer = await client.chat.completions.create(${body});`,
      `console.log(answer.choices[0].message.content);`,
    ],
    // JSON without true, false and null is Python too.
    Python: [
      `# pip install openai`,
      `from openai import OpenAI`,
      ``,
      `client = OpenAI(base_url="${origin}/v1", api_key="${KEY}")`,
      `answer = client.chat.completions.create(**${body})`,
      `print(answer.choices[0].message.content)`,
    ],
  };
  return code[language].join('\n');
}
