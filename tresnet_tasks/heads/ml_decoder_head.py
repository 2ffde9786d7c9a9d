"""ML-Decoder: attention between fixed queries and the feature map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..registry import MODELS
from ..structures import ClsDataSample
from .label_task import build_label_task


@MODELS.register_module()
class MLDecoderHead(BaseModule):
    """Classify by what queries read out of the last feature map (arXiv 2111.12933).

    Each query reads for a group of ceil(C / groups) classes, which a linear layer of its own tells
    apart; so the cost hardly grows with C. The queries are random and never trained. Parameters are
    named as in the published files (``decoder.embed_standart``, ...), which load as they are.

    Args:
        num_classes: number of classes C; in configs it may be left out and comes from the data set.
        in_channels: channels of the last feature map; in configs it may be left out and comes from
            the backbone.
        groups: number of queries, at most C; None is the smaller of C and 100, as published.
        embed_dims: channels inside the head, a multiple of ``num_heads``.
        num_heads: heads of the attention.
        feedforward_channels: channels of the hidden layer of the feed-forward part.
        dropout: probability of zeroing a feature while training.
        loss: config of the loss, see ``LinearHead``.
        init_cfg: mmengine's initialisation.
        task: 'multi_label' or 'single_label', see ``LinearHead``.
        threshold: see ``LinearHead``.

    Raises:
        ValueError: if ``groups`` is not in [1, C], ``embed_dims`` no multiple of ``num_heads``, the
            task another, or a threshold is given with 'single_label'.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        groups: int | None = None,
        embed_dims: int = 768,
        num_heads: int = 8,
        feedforward_channels: int = 2048,
        dropout: float = 0.1,
        loss: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
        task: str = "multi_label",
        threshold: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        groups = min(num_classes, 100) if groups is None else groups
        if not 1 <= groups <= num_classes:
            raise ValueError(
                f"groups={groups} with {num_classes} classes; expected 1 to {num_classes}. "
                "Leave it out for the published number."
            )
        if embed_dims % num_heads:
            raise ValueError(
                f"embed_dims={embed_dims} is no multiple of num_heads={num_heads}; make it one."
            )
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.decoder = _Decoder(
            num_classes, in_channels, groups, embed_dims, num_heads, feedforward_channels, dropout
        )
        self.task = build_label_task(task, num_classes, loss, threshold)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Logits (N, C) of feature maps, the last of which is (N, in_channels, h, w)."""
        logits: Tensor = self.decoder(feats[-1])
        return logits

    def loss(
        self, feats: Sequence[Tensor], data_samples: Sequence[ClsDataSample]
    ) -> dict[str, Tensor]:
        """Loss of a batch.

        Args:
            feats: feature maps of N images.
            data_samples: N samples with ``gt_score``, or else ``gt_label``.

        Returns:
            See ``MultiLabel.loss`` and ``SingleLabel.loss``.
        """
        return self.task.loss(self(feats), data_samples)

    def predict(
        self, feats: Sequence[Tensor], data_samples: Sequence[ClsDataSample] | None = None
    ) -> list[ClsDataSample]:
        """Set ``pred_score`` (C,) and ``pred_label`` (K,), or (1,) with 'single_label'.

        Args:
            feats: feature maps of N images.
            data_samples: N samples, or None for new ones.
        """
        return self.task.predict(self(feats), data_samples)


class _Decoder(nn.Module):
    """Feature map to logits; under the names of the published files."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        groups: int,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embed_standart = nn.Linear(in_channels, embed_dims)
        self.query_embed = nn.Embedding(groups, embed_dims).requires_grad_(False)
        self.layers = nn.ModuleList(
            [_DecoderLayer(embed_dims, num_heads, feedforward_channels, dropout)]
        )
        per_group = -(-num_classes // groups)
        self.duplicate_pooling = nn.Parameter(torch.empty(groups, embed_dims, per_group))
        self.duplicate_pooling_bias = nn.Parameter(torch.zeros(num_classes))
        nn.init.xavier_normal_(self.duplicate_pooling)

    def forward(self, feat: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, C)."""
        memory = self.embed_standart(feat.flatten(2).transpose(1, 2)).relu()
        queries = self.query_embed.weight.expand(len(feat), -1, -1)
        for layer in self.layers:
            queries = layer(queries, memory)
        # (N, groups, embed_dims) by one matrix a group; the last group may have more than it needs.
        logits = torch.einsum("ngd,gdk->ngk", queries, self.duplicate_pooling).flatten(1)
        return logits[:, : self.num_classes] + self.duplicate_pooling_bias


class _DecoderLayer(nn.Module):
    """Cross-attention and feed-forward, without self-attention among the queries."""

    def __init__(
        self, embed_dims: int, num_heads: int, feedforward_channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dims)
        self.norm2 = nn.LayerNorm(embed_dims)
        self.norm3 = nn.LayerNorm(embed_dims)
        self.multihead_attn = nn.MultiheadAttention(
            embed_dims, num_heads, dropout=dropout, batch_first=True
        )
        self.linear1 = nn.Linear(embed_dims, feedforward_channels)
        self.linear2 = nn.Linear(feedforward_channels, embed_dims)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """(N, groups, embed_dims) and (N, h * w, embed_dims) to (N, groups, embed_dims)."""
        # The published layer adds the queries to themselves where self-attention used to be.
        queries = self.norm1(queries + self.dropout(queries))
        read, _ = self.multihead_attn(queries, memory, memory, need_weights=False)
        queries = self.norm2(queries + self.dropout(read))
        hidden = self.dropout(self.linear1(queries).relu())
        out: Tensor = self.norm3(queries + self.dropout(self.linear2(hidden)))
        return out
