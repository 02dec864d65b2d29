import { Controller, Get, Param } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Access, CurrentPrincipal } from '../../identity/index.js';
import { Answers, OPENAI_DIALECT, SpeaksDialect, Refuses } from '../../platform/http/index.js';
import { CHATTING, CHATTING_KINDS, type ChatPrincipal } from '../access/chat-access.js';
import type { Model } from '../models/model-catalogue.js';
import type { ModelFactsByName } from '../models/model-facts.js';
import { TenantModels } from '../models/tenant-models.js';
import { CallersModels } from './callers-models.js';

const llmView = z
  .object({
    id: z.string().meta({ description: 'What completions name as `model`.' }),
    name: z.string(),
    created_at: z.string().meta({ format: 'date-time', description: 'The start of 1970: not known.' }),
    type: z.string().meta({ description: 'Who serves it.' }),
    compliance: z.boolean().meta({ description: 'Always false: nothing is certified.' }),
    description: z.string(),
  })
  .meta({ 'x-name': 'Llm' });
type LlmView = z.output<typeof llmView>;

const listResponse = z.object({
  next_page: z.null().meta({ description: 'All are on one page.' }),
  total_count: z.int(),
  values: z.array(llmView),
});

/** The models that completions can name, as Gabber's clients know them. */
@ApiTags('OpenAI')
@SpeaksDialect(OPENAI_DIALECT)
@Controller('v1/llm')
export class LlmsController {
  constructor(
    private readonly models: CallersModels,
    private readonly tenantModels: TenantModels,
  ) {}

  @Get('list')
  @ApiOperation({ summary: 'The models that the caller may use, in Gabber’s form.' })
  @Access(CHATTING)
  @Answers(listResponse)
  @Refuses('no_provider_configured', 'upstream_unreachable')
  async list(@CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal): Promise<z.output<typeof listResponse>> {
    const [models, known] = [await this.models.list(principal), await this.tenantModels.of(principal.tenantId)];
    return { next_page: null, total_count: models.length, values: models.map((model) => viewLlm(model, known)) };
  }

  @Get(':llm')
  @ApiOperation({ summary: 'One model, in Gabber’s form.' })
  @Access(CHATTING)
  @Answers(llmView)
  @Refuses('model_not_found', 'no_provider_configured', 'upstream_unreachable')
  async get(@CurrentPrincipal(CHATTING_KINDS) principal: ChatPrincipal, @Param('llm') id: string): Promise<LlmView> {
    return viewLlm(await this.models.get(principal, id), await this.tenantModels.of(principal.tenantId));
  }
}

function viewLlm({ id, created, owned_by: owner }: Model, known: ModelFactsByName): LlmView {
  const facts = known.find(id);
  return {
    id,
    name: id,
    created_at: new Date(created * 1000).toISOString(),
    type: owner,
    compliance: false,
    description:
      facts === null
        ? `A model of ${owner}.`
        : `A model of ${owner}: ${facts.contextTokens} tokens of context, of which at most ${facts.maxOutputTokens} are output.`,
  };
}
