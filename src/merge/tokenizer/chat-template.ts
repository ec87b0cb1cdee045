/** Chat templates by name, written from the public prompt formats. */
import { nearest } from '../../config/names.js';
import { MergeError } from '../errors.js';

const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const ALPACA =
  "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}" +
  "{% elif message['role'] == 'user' %}{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}" +
  "{% else %}{{ '### Response:\\n' + message['content'] + eos_token + '\\n\\n' }}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}";
const EXAONE =
  "{% for message in messages %}{% if message['role'] == 'system' %}" +
  "{{ '[|system|]' + message['content'] + '[|endofturn|]\\n' }}{% elif message['role'] == 'user' %}" +
  "{{ '[|user|]' + message['content'] + '\\n' }}{% else %}" +
  "{{ '[|assistant|]' + message['content'] + '[|endofturn|]\\n' }}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}";
const LLAMA3 =
  '{{ bos_token }}{% for message in messages %}' +
  "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";
const MISTRAL =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}" +
  "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + eos_token }}" +
  '{% endif %}{% endfor %}';

const TEMPLATES: Readonly<Record<string, string>> = {
  alpaca: ALPACA,
  chatml: CHATML,
  exaone: EXAONE,
  llama3: LLAMA3,
  mistral: MISTRAL,
};

/**
 * The template that `chat_template` of a recipe means: a name, `auto` (the most common among the inputs, the first on ties), or
 * a Jinja text of at least 20 characters with a brace.
 *
 * @param inputs - templates of the input models in recipe order, as far as they have one.
 * @returns undefined for `auto` where no input has one.
 * @throws {MergeError} of class `bad_tokenizer` for a text that is neither.
 */
export function chatTemplate(setting: string, inputs: readonly string[]): string | undefined {
  if (setting === 'auto') return mostCommon(inputs);
  if (Object.hasOwn(TEMPLATES, setting)) return TEMPLATES[setting];
  if (setting.length >= 20 && setting.includes('{')) return setting;
  const near = nearest(setting, Object.keys(TEMPLATES));
  throw new MergeError(
    'bad_tokenizer',
    `chat_template is ${JSON.stringify(setting)}, which is neither a known name nor a Jinja text`,
    `${near === undefined ? '' : `did you mean "${near}"? `}write ${Object.keys(TEMPLATES).join(', ')}, auto, or a template`,
    { recipePath: 'chat_template' },
  );
}

function mostCommon(texts: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  let best: string | undefined;
  for (const [text, count] of counts) if (best === undefined || count > (counts.get(best) ?? 0)) best = text;
  return best;
}
