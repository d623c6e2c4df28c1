from components.pages.section import Section


def places(scores):
    return []


def facts(verdict):
    return {"Bias": f"{verdict.details.bias_db:+.2f} dB"}


def sections(judged):
    return [Section("bias", "Bias", "before slices", f"<p>{facts(judged.verdict)['Bias']}</p>")]
