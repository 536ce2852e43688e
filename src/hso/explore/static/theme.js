// Before anything is drawn: the theme that was chosen last, if one was.
try {
  const chosen = localStorage.getItem("hso-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage the system's theme stays.
}
