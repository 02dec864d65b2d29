export const LANGUAGES = ['curl', 'JavaScript', 'Python'] as const;
export type Language = (typeof LANGUAGES)[number];

/** A first call in the language that the reader works in. */
export function firstCall(language: Language, key: string, model: string, origin = location.origin): string {
  const code = {
    curl: [
      `curl ${origin}/v1/chat/completions \\`,
      `  -H 'Authorization: Bearer ${key}' \\`,
      `  -H 'Content-Type: application/json' \\`,
      `  -d '{"model":"${model}","messages":[{"role":"user","content":"Hello!"}]}'`,
    ],
    JavaScript: [
      `// npm install openai`,
      `import OpenAI from 'openai';`,
      ``,
      `const client = new OpenAI({`,
      `  baseURL: '${origin}/v1',`,
      `  apiKey: '${key}',`,
      `});`,
      `const answer = await client.chat.completions.create({`,
      `  model: '${model}',`,
      `  messages: [{ role: 'user', content: 'Hello!' }],`,
      `});`,
      `console.log(answer.choices[0].message.content);`,
    ],
    Python: [
      `# pip install openai`,
      `from openai import OpenAI`,
      ``,
      `client = OpenAI(`,
      `    base_url="${origin}/v1",`,
      `    api_key="${key}",`,
      `)`,
      `answer = client.chat.completions.create(`,
      `    model="${model}",`,
      `    messages=[{"role": "user", "content": "Hello!"}],`,
      `)`,
      `print(answer.choices[0].message.content)`,
    ],
  };
  return code[language].join('\n');
}
