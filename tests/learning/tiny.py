"""A tiny random Llama with ChatML tokens, for tests that need no weights.

`tiny_model(folder)` saves it as a transformers folder; `tiny_gguf(folder, path)` writes the same
weights as a GGUF file in 32-bit floats, which llama.cpp runs. It is shaped as the default model
is: grouped queries, tied embeddings, ids 0-2 for the end of a text and the two ChatML tokens.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = (("t", "h"), ("th", "e"), ("i", "n"), ("e", "r"), ("Ġ", "the"))
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, CONTEXT = 64, 128, 2, 4, 2, 512


def tiny_tokenizer() -> Any:
    """A byte-level tokenizer of 264 tokens that splits digits, as a transformers object."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*SPECIAL, *letters, *(a + b for a, b in MERGES)]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, list(MERGES)))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(SPECIAL))
    library: Any = importlib.import_module("transformers")
    return library.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=SPECIAL[1], eos_token=SPECIAL[2], pad_token=SPECIAL[2]
    )


def tiny_model(
    folder: Path,
    *,
    seed: int = 0,
    hidden: int = HIDDEN,
    layers: int = LAYERS,
    context: int = CONTEXT,
) -> Path:
    """Save the model and its tokenizer in `folder`; about 0.1 s once transformers is imported.

    Weights are drawn wider than usual, so that a random model already prefers some tokens.
    """
    torch: Any = importlib.import_module("torch")
    library: Any = importlib.import_module("transformers")
    tokenizer = tiny_tokenizer()
    config = library.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=INNER,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=context,
        rope_parameters={"rope_theta": 100000.0, "rope_type": "default"},
        rms_norm_eps=1e-5,
        initializer_range=0.15,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = library.LlamaForCausalLM(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_gguf(folder: Path, path: Path) -> Path:
    """Write the model of `tiny_model` as a GGUF file, as llama.cpp's converter lays it out.

    Needs the `gguf` package. Rows of the query and key projections are reordered from the two
    halves of transformers to llama.cpp's neighbouring pairs.
    """
    gguf: Any = importlib.import_module("gguf")
    library: Any = importlib.import_module("transformers")
    model = library.AutoModelForCausalLM.from_pretrained(folder)
    config: Any = model.config
    tokens = tiny_tokenizer()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens.convert_ids_to_tokens(range(len(tokens))))
    writer.add_token_types([3 if i < len(SPECIAL) else 1 for i in range(len(tokens))])
    writer.add_token_merges([" ".join(pair) for pair in MERGES])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        array = tensor.float().numpy()
        if ".q_proj." in name:
            array = _pairs(array, config.num_attention_heads)
        elif ".k_proj." in name:
            array = _pairs(array, config.num_key_value_heads)
        writer.add_tensor(_ggml_name(name), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _pairs(array: Any, heads: int) -> Any:
    """(heads * d, n): rows i and i + d/2 of each head become neighbours."""
    rows, columns = array.shape
    halves = array.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns).copy()


def _ggml_name(name: str) -> str:
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    name = name.removesuffix(".weight")
    if name.startswith("model.layers."):
        _, _, layer, part = name.split(".", 3)
        return f"blk.{layer}.{names[part]}.weight"
    return f"{names[name]}.weight"
