// All addresses are relative: a proxy may serve the studio below a path of its own.
// The code of the link stands after the '#', which no server, log or Referer ever sees. What begins
// with '/' is no code but the view that somebody was sent here from, and goes back to.
const words = document.getElementById('words')
const form = document.getElementById('form')
let view = ''

function ask(sentence, isWrong) {
  words.textContent = sentence
  words.classList.toggle('wrong', isWrong)
  form.hidden = false
  document.getElementById('token').focus()
}

async function logIn(token) {
  let answer
  try {
    answer = await fetch('api/v1/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token })
    })
  } catch {
    ask("The studio does not answer. Start it again with 'zscape studio' and open its link.", true)
    return
  }
  if (answer.ok) {
    if (view) location.replace('./' + view)
    else location.replace('./')
    return
  }
  const { error } = await answer.json()
  ask(error.sentence, true)
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  logIn(document.getElementById('token').value)
})

// A further link that is opened in this tab changes nothing but what stands after the '#'.
function readLink() {
  const code = location.hash.slice(1)
  history.replaceState(null, '', 'login')
  if (code.startsWith('/')) view = '#' + code
  else if (code) return logIn(code)
  ask("Open the link that 'zscape studio' printed last in its terminal, or type the token.", false)
}

// The colours that were chosen in the page, where the browser remembers anything.
function readTheme() {
  try {
    const theme = localStorage.getItem('zscape-theme')
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
  } catch {
    return
  }
}

readTheme()
addEventListener('hashchange', readLink)
readLink()
