import type { EmbeddingModelV4CallOptions } from '@ai-sdk/provider';
import {
  COHERE_DIMENSIONS,
  COHERE_INPUT_TYPES,
  embeddingOptionsOf,
  optionsFor,
  USUAL_INPUT_TYPE,
  type EmbeddingTraits,
} from '../bridge/embedding-options.js';
import type { EmbeddingsRequest } from '../requests/embeddings-request.js';

/** Whose models run on Bedrock, each with fields of its own. */
interface EmbeddingFamily extends EmbeddingTraits {
  /** How many texts one exchange takes. */
  readonly mostTexts: number;
  /** By which the package takes the number of dimensions. */
  readonly dimensionsField: string;
}

const PROVIDER = 'amazon_bedrock';
const COHERE: EmbeddingFamily = {
  provider: PROVIDER,
  dimensions: COHERE_DIMENSIONS,
  inputTypes: COHERE_INPUT_TYPES,
  mostTexts: 96,
  dimensionsField: 'outputDimension',
};
const NOVA: EmbeddingFamily = {
  provider: PROVIDER,
  dimensions: [256, 384, 1_024, 3_072],
  inputTypes: [],
  mostTexts: 1,
  dimensionsField: 'embeddingDimension',
};
const TITAN: EmbeddingFamily = {
  provider: PROVIDER,
  dimensions: [256, 512, 1_024],
  inputTypes: [],
  mostTexts: 1,
  dimensionsField: 'dimensions',
};

export function embeddingFamilyOf(model: string): EmbeddingFamily {
  if (model.includes('cohere.embed')) return COHERE;
  return model.includes('amazon.nova') ? NOVA : TITAN;
}

/** @throws Fault invalid_input, naming the field */
export function bedrockEmbeddingCall(request: EmbeddingsRequest): Pick<EmbeddingModelV4CallOptions, 'providerOptions'> {
  const family = embeddingFamilyOf(request.model);
  const { dimensions, inputType } = embeddingOptionsOf(request, family);
  const isCohere = family === COHERE;
  const options = {
    [family.dimensionsField]: dimensions,
    ...(isCohere ? { inputType: inputType ?? USUAL_INPUT_TYPE } : {}),
  };
  return { providerOptions: optionsFor('amazonBedrock', options) };
}
