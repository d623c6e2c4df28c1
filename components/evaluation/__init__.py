"""What models answered on clips, and what that is worth: shared by the steps that judge."""
