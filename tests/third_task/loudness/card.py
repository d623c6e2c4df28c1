from components.tasks.card import CardText


def card_text(card, verdict):
    bias = f"{verdict.details.bias_db:+.2f} dB"
    return CardText("Says how loud a clip is.", {"bias": bias}, "The answer is the estimate.")
