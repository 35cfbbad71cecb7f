"""How the center learns: guidance, examples, credit and the stages of training."""
