from . import datasets as datasets
from .audio import AudioInfo as AudioInfo
from .audio import info as info
from .audio import load as load
from .audio import resample as resample
from .classification import ClassificationResult as ClassificationResult
from .classification import classify_oneshot as classify_oneshot
from .encoders import ConvBlock as ConvBlock
from .encoders import ConvEncoder as ConvEncoder
from .errors import AudioError as AudioError
from .errors import CheckpointError as CheckpointError
from .errors import DatasetError as DatasetError
from .errors import ParameterError as ParameterError
from .errors import SiamaudioError as SiamaudioError
from .errors import StoreError as StoreError
from .errors import TrainingError as TrainingError
from .evaluation import OneShotResult as OneShotResult
from .evaluation import evaluate_oneshot as evaluate_oneshot
from .features import Features as Features
from .history import History as History
from .log_mel import LogMel as LogMel
from .network import SiameseNetwork as SiameseNetwork
from .optimizers import Adam as Adam
from .report import write_report as write_report

__version__: str
