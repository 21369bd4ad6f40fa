"""One-shot audio recognition with siamese networks: a C++ core, a thin Python API, exact evaluation.

From a folder of sounds to a result::

    import siamaudio as sa

    clips = sa.datasets.esc50("ESC-50")
    features = sa.LogMel(sr=44100, n_fft=2048, hop_length=512, n_mels=128).transform(clips)
    train, validation, test = features.split_classes(40, 5, 5, seed=1)

    net = sa.SiameseNetwork.preset("honka2019").fit(train, validation=validation, epochs=40, seed=0)
    result = sa.evaluate_oneshot(net, test, ways=5)

Each name has its own page, ``help(sa.LogMel)``, and so has each module, ``help(sa.losses)``. ``siamaudio --help`` in a
shell lists the commands, ``siamaudio demo`` shows all of it on synthetic sounds.

Sounds and data sets:

===================  ======================================================================
`load`               read audio from a file, from memory or from a file object
`info`, `AudioInfo`  what the header of a file says
`resample`           change the sample rate
`datasets`           ESC-50, AudioMNIST, Speech Commands, folders, tables, synthetic sounds
===================  ======================================================================

Features:

=============================================  ===============================================================
`LogMel`                                       log-mel spectrograms, librosa's by default, kept on the disk
`MFCC`, `Spectrogram`, `STFT`                  the other front ends, for signals at hand
`front_end_presets`                            names of published front ends, for `LogMel.preset`
`Features`                                     spectrograms of labelled clips, in memory or in a feature store
`patches`                                      cut spectrograms into overlapping patches
`split_clips`, `split_folds`, `split_sources`  divide clips; `Features.split_classes` divides classes
`save_split`, `load_split`                     keep a division in a file
=============================================  ===============================================================

Networks and their training:

===================================  ====================================================================
`SiameseNetwork`                     one encoder for two spectrograms: fit, embed, similarity, save, load
`network_presets`                    names of published networks, for `SiameseNetwork.preset`
`ConvEncoder`, `ConvBlock`, `Dense`  the encoder and its layers
`YamnetEncoder`                      YAMNet as the encoder
`losses`                             what is minimised: contrastive, triplet, prototypical, ArcFace, ...
`samplers`                           which clips a step sees together
`optimizers`, `schedules`            Adam and others, and how the learning rate goes
`augment`                            random changes of spectrograms
`History`                            what happened in each epoch
`tune`, `tuning`                     search for hyperparameters, by one process or many
`models`, `VariationalAutoencoder`   what embeds sounds without labels: an autoencoder, YAMNet
`interop`                            Keras, PyTorch and ONNX
===================================  ====================================================================

Evaluation and use:

==========================================  ===============================================================
`evaluate_oneshot`, `EvaluationResult`      one-shot accuracy over every possible task
`evaluate_fewshot`                          few-shot accuracy over sampled tasks
`evaluate_splits`, `SplitsResult`           the accuracy over many splits of the classes
`evaluate_pairs`, `PairResult`              same class or not: ROC, equal error rate, thresholds
`evaluate_retrieval`, `RetrievalResult`     search by example, each clip the query once
`compare`, `Comparison`, `Interval`         whether one result is better than another; how sure a figure is
`leak_report`, `LeakReport`                 clips of one recording, and what the accuracy gains by them
`evaluation`                                the published protocols, and all of this
`classify_oneshot`, `ClassificationResult`  the class of recordings, from one example of each
`SearchIndex`, `SearchResult`, `search`     the recordings that are most like a given one
`explain`, `Explanation`, `explanation`     which parts of a sound made the network decide
==========================================  ===============================================================

Pictures:

=====================================  ==================================================================
`plotting`                             one function a picture; results have ``.plot()``
`embedding_map`, `EmbeddingMap`        where clips lie in the embedding space
`embedding_report`, `EmbeddingReport`  classifiers on embeddings, and maps of these
`write_report`                         one HTML file with a result, examples and how the network was made
=====================================  ==================================================================

What is raised on purpose is a `SiamaudioError`: `ParameterError` (also a ValueError), `AudioError`, `DatasetError`,
`StoreError`, `CheckpointError`, `TrainingError`, `TuningError`.

Submodules, torch among what they need, are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
