#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of families whose own tokenizers cannot be kept here: small ones in the same structure.

    NAME.tokenizer.json   as Llama 2, Mistral, Gemma, T5, BERT and GPT-2 have it, trained on make_golden.TRAINING_TEXT
    NAME.ids.jsonl        for each text of texts.jsonl the ids that PyPI `tokenizers` gives, special tokens added
    spm_bpe.model, spm_unigram.model   as SentencePiece writes them, in the manner of Llama and of T5
    NAME.ids.jsonl        of those: what PyPI `sentencepiece` gives, without special tokens

Written with tokenizers 0.23.3 and sentencepiece 0.2.1; run make_golden.py first, which writes texts.jsonl.
"""

import base64
import io
import json
import tempfile
from pathlib import Path

import sentencepiece
from make_golden import TRAINING_TEXT, write_lines
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = Path(__file__).parent
SPACE = "\u2581"
# A small part of NFKC and of what SentencePiece's rules for translation do, as its trainer reads them.
CHARSMAP_RULES = {
    "\ufb01": "fi", "\ufb00": "ff", "\u00bd": "1\u20442", "\u00b2": "2", "\u00b9": "1", "\u2122": "TM", "\u2460": "1", "\u216b": "XII",
    "\uff21": "A", "\uff42": "b", "\uff01": "!", "\u3000": " ", "\u00a0": " ", "\u2003": " ", "\u2028": " ", "\u200b": " ", "\ufeff": " ",
    "\t": " ", "\n": " ", "\r": " ", "\x01": "", "\x7f": "", "e\u0301": "\u00e9", "a\u0323": "\u1ea1", "A\u030a": "\u00c5", "\u212b": "\u00c5",
    "\u1112\u1161\u11ab": "\ud55c", "\u00a8": " \u0308", "\u2026": "...", "K": "k", "\u212a": "k",
}  # fmt: skip


def sentence_piece(model_type, **options):
    """A trained ModelProto."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        hexadecimal = lambda text: " ".join(f"{ord(c):X}" for c in text)  # noqa: E731
        rules.write_text("".join(f"{hexadecimal(k)}\t{hexadecimal(v)}\n" for k, v in sorted(CHARSMAP_RULES.items())))
        if options.pop("has_rules", False):
            options["normalization_rule_tsv"] = str(rules)
        else:
            options.setdefault("normalization_rule_name", "identity")
        model = io.BytesIO()
        sentences = [line for text in TRAINING_TEXT for line in text.splitlines() if line.strip()]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences), model_writer=model, model_type=model_type, character_coverage=0.985,
            hard_vocab_limit=False, num_threads=1, minloglevel=2, **options)  # fmt: skip
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    proto.trainer_spec.ClearField("input")
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    return proto


def llama_model(**options):
    return sentence_piece("bpe", vocab_size=760, byte_fallback=True, split_digits=True, remove_extra_whitespaces=False,
                          allow_whitespace_only_pieces=True, **options)  # fmt: skip


def merges_of(vocabulary, scores):
    """What transformers' converter makes of the scores: every way to cut a piece into two, by falling score."""
    merges = []
    for piece, score in scores.items():
        cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocabulary and piece[i:] in vocabulary]
        merges += [(left, right, score) for left, right in sorted(cuts, key=lambda c: (vocabulary[c[0]], vocabulary[c[1]]))]
    merges.sort(key=lambda merge: (merge[2], len(merge[0]), len(merge[1])), reverse=True)
    return [(left, right) for left, right, _ in merges]


def bpe_of(proto):
    vocabulary = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    scores = {piece.piece: piece.score for piece in proto.pieces}
    return models.BPE(vocab=vocabulary, merges=merges_of(vocabulary, scores), fuse_unk=True, byte_fallback=True, unk_token="<unk>")


def around(first, last):
    template = " ".join(filter(None, [first and first[0], "$A", last and last[0]]))
    return processors.TemplateProcessing(single=template, pair=template + " $B", special_tokens=list(filter(None, [first, last])))


def llama2():
    tokenizer = Tokenizer(bpe_of(llama_model()))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.post_processor = around(("<s>", 1), None)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in ("<unk>", "<s>", "</s>")])
    tokenizer.add_tokens([AddedToken("<|begin|>", normalized=True), AddedToken("<mask>", lstrip=True, normalized=True)])
    return tokenizer


def mistral():
    tokenizer = Tokenizer(bpe_of(llama_model()))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.post_processor = around(("<s>", 1), None)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in ("<unk>", "<s>", "</s>", "<|begin|>")])
    tokenizer.add_tokens([AddedToken("<mask>", rstrip=True, normalized=False)])
    return tokenizer


def gemma():
    symbols = ["<|begin|>", "<|end|>", "\n\n", "\n\n\n", SPACE * 4]
    proto = llama_model(user_defined_symbols=symbols, add_dummy_prefix=False)
    tokenizer = Tokenizer(bpe_of(proto))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = around(("<s>", 1), None)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in ("<unk>", "<s>", "</s>", "<|begin|>")])
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in symbols[1:]])
    return tokenizer


def t5_model(**rules):
    return sentence_piece("unigram", vocab_size=620, bos_id=-1, eos_id=1, unk_id=2, pad_id=0, **(rules or {"has_rules": True}))


def t5(**rules):
    proto = t5_model(**rules)
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces + [(f"<extra_id_{i}>", 0.0) for i in range(3)], unk_id=2, byte_fallback=False))
    charsmap = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()}
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = around(None, ("</s>", 1))
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in ("<pad>", "</s>", "<unk>")])
    tokenizer.add_special_tokens([AddedToken(f"<extra_id_{i}>", lstrip=True, rstrip=True, normalized=False) for i in range(3)])
    content = json.loads(tokenizer.to_str())
    content["normalizer"] = {"type": "Sequence", "normalizers": [
        charsmap, {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE}]}  # fmt: skip
    return Tokenizer.from_str(json.dumps(content))


def bert():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=620, special_tokens=special, limit_alphabet=150, show_progress=False)
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    # The trainer numbers equally frequent words in no order of its own.
    content = json.loads(tokenizer.to_str())
    words = special + sorted(set(content["model"]["vocab"]) - set(special))
    content["model"]["vocab"] = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_tokens([AddedToken("<MASK>", normalized=True), AddedToken("<|begin|>", single_word=True, normalized=False)])
    tokenizer.post_processor = around(("[CLS]", 2), ("[SEP]", 3))
    return tokenizer


def gpt2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=620, special_tokens=["<|end|>"], show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))  # fmt: skip
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    return tokenizer


def write_model(name, proto, texts):
    content = proto.SerializeToString()
    assert len(content) <= 64 << 10, (name, len(content))
    (FOLDER / f"{name}.model").write_bytes(content)
    processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    write_lines(f"{name}.ids.jsonl", [processor.encode(text) for text in texts])


def main():
    texts = [json.loads(line) for line in (FOLDER / "texts.jsonl").read_text().splitlines()]
    for make in (llama2, mistral, gemma, t5, bert, gpt2):
        tokenizer = make()
        write_lines(f"{make.__name__}.tokenizer.json", [json.loads(tokenizer.to_str())])
        write_lines(f"{make.__name__}.ids.jsonl", [tokenizer.encode(text).ids for text in texts])
    write_model("spm_bpe", llama_model(user_defined_symbols=["<|begin|>", "\n\n"]), texts)
    write_model("spm_unigram", t5_model(), texts)


if __name__ == "__main__":
    main()
