"""Those who act. Each carries out one kind of action; none decides."""
